'use strict';
// What the client remembers is small, whatever it was given.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');
const { Fifo } = require('../lib/fifo.js');
const { unsent } = require('./support/unsent.js');

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');

const long = (i, filler) => `${i}`.padEnd(40_000, filler);
const REMEMBERED = {
  'long keys': [90, (log, i) => log.info('m', { [long(i, 'k')]: 'token' })],
  'trace ids of long texts': [30, (log, i) => log.info('m', null, long(i, 't').slice(0, 36))],
  'trace ids and much around': [30, (log, i) => log.info('m', null, long(i, ' '))],
};

// MB that the engine itself may hold for a while: less than a client that keeps them would
for (const [name, [mostMb, act]] of Object.entries(REMEMBERED)) {
  test(`nothing is left behind of ${name}`, () => {
    const { log, framed } = unsent();
    const heapMb = () => {
      gc();
      return process.memoryUsage().heapUsed / 2 ** 20;
    };
    const beforeMb = heapMb();
    for (let i = 0; i < 2_000; i++) {
      act(log, i);
      if (i % 500 === 499) assert.equal(framed().length, 500);
    }
    const grownMb = heapMb() - beforeMb;
    assert.ok(grownMb < mostMb, `${grownMb} MB`);
  });
}

test('a queue keeps nothing of what it gave', () => {
  const fifo = new Fifo();
  for (let i = 0; i < 10; i++) fifo.push({ i });
  const given = [fifo.take(5), [fifo.shift()]].flat().map((item) => new WeakRef(item));
  return new Promise((resolve) => setImmediate(resolve)).then(() => {
    gc();
    assert.deepEqual(
      given.map((ref) => ref.deref()),
      Array(6).fill(undefined),
    );
    assert.equal(fifo.length, 4);
  });
});
