'use strict';

/** A generator of numbers below n, the same in every run. */
function dice(seed) {
  let state = seed;
  return (n) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * n);
  };
}

module.exports = { dice };
