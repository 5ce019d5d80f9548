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
  'long keys': (log, i) => log.info('m', { [long(i, 'k')]: 'token' }),
  'trace ids cut out of long texts': (log, i) => log.info('m', null, long(i, 't').slice(0, 36)),
  'trace ids with much around them': (log, i) => log.info('m', null, long(i, ' ')),
};

for (const [name, act] of Object.entries(REMEMBERED)) {
  test(`nothing is left behind of ${name}`, () => {
    const { log, framed } = unsent();
    const heapMb = (from) => {
      for (let i = from; i < from + 500; i++) act(log, i);
      assert.equal(framed().length, 500);
      gc();
      return process.memoryUsage().heapUsed / 2 ** 20;
    };
    const beforeMb = heapMb(0);
    const grownMb = heapMb(500) - beforeMb;
    assert.ok(grownMb < 5, `${grownMb} of 20 MB`);
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
