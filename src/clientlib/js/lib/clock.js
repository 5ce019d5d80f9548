'use strict';
// Wall time in microseconds from the monotonic clock, which is all that a log call reads (50 ns).
//
// The two are tied together once and again whenever the wall clock has been set: within 2 ms
// nothing changes, so that the times of records do not jump to and fro with Date.now's rounding.

const { performance } = require('node:perf_hooks');

const MAX_DRIFT_MS = 2;

let originMs = performance.timeOrigin;

/** Follow the wall clock when it was set; called once a batch. */
function resync() {
  const driftMs = Date.now() - (originMs + performance.now());
  if (Math.abs(driftMs) > MAX_DRIFT_MS) originMs += driftMs;
}

/** Return microseconds since 1970 for a reading of performance.now(). */
function wallMicros(atMs) {
  return Math.floor((originMs + atMs) * 1_000);
}

/** Return the reading that stands for a time in ms since 1970. */
function readingOf(wallMs) {
  return wallMs - originMs;
}

module.exports = { resync, wallMicros, readingOf };
