'use strict';
// What waits for the server's answer, what was dropped, and who waits for both.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { BUFFER_FULL, Drops, merged } = require('../lib/buffer.js');
const { Marks } = require('../lib/flush.js');
const { Outbox } = require('../lib/outbox.js');
const { dice } = require('./support/dice.js');

test('merged ranges are the same numbers', () => {
  for (let seed = 1; seed < 200; seed++) {
    const roll = dice(seed);
    const ranges = Array.from({ length: roll(12) }, () => [roll(60), 0]).map(([a]) => [
      a,
      a + roll(5),
    ]);
    const numbers = (list) => [
      ...new Set(list.flatMap(([a, b]) => Array.from({ length: b - a + 1 }, (_, i) => a + i))),
    ];
    const found = merged(ranges);
    assert.deepEqual(
      numbers(found),
      numbers(ranges).sort((a, b) => a - b),
    );
    found.slice(1).forEach(([first], i) => assert.ok(first > found[i][1] + 1));
  }
});

test('drops are told by reason, a receipt at a time, and counted for good', () => {
  const drops = new Drops();
  for (const n of [5, 6, 7, 1, 2]) drops.add('full', n, n);
  drops.add('large', 9, 9);
  assert.deepEqual(drops.take(1), { reason: 'full', ranges: [[1, 2]] });
  assert.deepEqual(drops.take(9), { reason: 'full', ranges: [[5, 7]] });
  assert.deepEqual(drops.take(9), { reason: 'large', ranges: [[9, 9]] });
  assert.equal(drops.take(9), null);
  drops.add('full', 1, 3, true);
  assert.equal(drops.untold, 1);
  assert.deepEqual([drops.total, drops.totals], [6, { full: 5, large: 1 }]);
});

test('a million drops one by one take no room', () => {
  const drops = new Drops();
  for (let n = 1; n <= 100_000; n++) drops.add('full', n, n);
  for (let n = 300_000; n > 200_000; n--) drops.add('full', n, n);
  assert.deepEqual(drops.take(9).ranges, [
    [1, 100_000],
    [200_001, 300_000],
  ]);
});

const parcel = (sequence, bytes) => ({ sequence, memory: Buffer.alloc(0), from: 0, to: bytes });
const parcels = (first, last, bytes = 10) =>
  Array.from({ length: last - first + 1 }, (_, i) => parcel(first + i, bytes));
const numbersOf = (list) => list.map(({ sequence }) => sequence);

test('the newest are kept within both bounds, and the oldest named', () => {
  const drops = new Drops();
  const box = new Outbox(3, 250, drops);
  box.add(parcels(1, 8));
  box.trim();
  assert.deepEqual(numbersOf(box.batch()), [6, 7, 8]);
  box.add(parcels(9, 10, 100));
  box.trim();
  assert.deepEqual(numbersOf(box.batch()), [8, 9, 10]);
  assert.deepEqual(drops.take(9), { reason: BUFFER_FULL, ranges: [[1, 7]] });
});

test('a batch is bounded but never empty', () => {
  const box = new Outbox(5_000, 2 ** 40, new Drops());
  box.add(parcels(1, 1, 3 << 20));
  assert.deepEqual(numbersOf(box.batch()), [1]);
  box.add(parcels(2, 2_000));
  assert.deepEqual([box.holds(2), box.holds(4)], [true, false]);
  assert.equal(box.settle(1, [null]), 1);
  assert.equal(box.batch().length, 1_000);
});

test('receipts go first; refused they come apart, unanswered they stay', () => {
  const drops = new Drops();
  const box = new Outbox(10, 10_000, drops);
  box.add(parcels(1, 2));
  box.receipts.push({ parcel: parcel(9, 1), reason: 'full', ranges: [[3, 8]] });
  assert.deepEqual(numbersOf(box.batch()), [9, 1, 2]);
  assert.equal(box.settle(3, []), 0);
  assert.deepEqual(numbersOf(box.batch()), [9, 1, 2]);
  assert.equal(box.settle(3, ['OOM', null, null]), 2);
  assert.deepEqual(drops.take(9), { reason: 'full', ranges: [[3, 8]] });
  assert.deepEqual([drops.total, box.spareNumbers, box.empty], [0, [9], true]);
});

test('whatever happens each record is printed at most once and none is forgotten', () => {
  for (let seed = 1; seed < 300; seed++) {
    const roll = dice(seed);
    const drops = new Drops();
    const box = new Outbox(5, 10_000, drops);
    let added = 0;
    const printed = [];
    const taken = new Set();
    for (let step = roll(40); step > 0; step--) {
      const kind = roll(4);
      if (kind === 0) {
        const more = 1 + roll(6);
        box.add(parcels(added + 1, added + more));
        added += more;
      } else if (kind === 1) {
        for (let left = roll(9); left > 0 && box.unprinted; left--) {
          printed.push(box.nextToPrint.sequence);
          box.notePrinted();
        }
      } else if (kind === 2) {
        box.trim();
      } else {
        const sent = numbersOf(box.batch());
        const replies = sent.slice(0, roll(9)).map(() => (roll(2) ? null : 'refused'));
        assert.equal(
          box.settle(sent.length, replies),
          replies.filter((reply) => reply === null).length,
        );
        replies.forEach((reply, i) => reply === null && taken.add(sent[i]));
      }
    }
    assert.equal(new Set(printed).size, printed.length);
    const waiting = numbersOf(box.batch());
    const dropped = (drops.take(10_000)?.ranges ?? []).flatMap(([a, b]) =>
      Array.from({ length: b - a + 1 }, (_, i) => a + i),
    );
    const all = [...waiting, ...taken, ...dropped].sort((a, b) => a - b);
    assert.deepEqual(
      all,
      Array.from({ length: added }, (_, i) => i + 1),
    );
  }
});

test('a wait is over when all before it has left, whatever comes after', async () => {
  const marks = new Marks();
  const answers = [];
  void marks.add(5, 0, 60_000, 9).then((answer) => answers.push(answer));
  const state = { taken: 4, empty: false, last: 4, oldest: null, told: true, dropped: 0 };
  for (const more of [{}, { taken: 8, last: 8, oldest: 3 }, { taken: 90, last: 90, oldest: 8 }]) {
    marks.resolve({ ...state, ...more });
    assert.equal(marks.size, 1);
  }
  marks.resolve({ ...state, taken: 95, last: 95, oldest: 9, told: false });
  assert.equal(marks.size, 1);
  marks.resolve({ ...state, taken: 95, last: 95, oldest: 9 });
  await null;
  assert.deepEqual(answers, [true]);
});

test('drops, failures, giving up and time are no delivery', async () => {
  const marks = new Marks();
  const state = { taken: 0, empty: true, last: 0, oldest: null, told: true, dropped: 1 };
  const dropped = marks.add(0, 0, 60_000, 9);
  marks.resolve(state);
  const failed = marks.add(0, 1, 60_000, 1);
  marks.failed();
  marks.resolve({ ...state, oldest: 0, told: false });
  const gaveUp = marks.add(9, 0, 60_000, 9);
  marks.giveUp();
  marks.resolve({ ...state, empty: false });
  assert.equal(marks.size, 1); // some of it is not even printed
  marks.resolve({ ...state, empty: false, taken: 9 });
  const late = marks.add(9, 0, 1, 9);
  assert.deepEqual(await Promise.all([dropped, failed, gaveUp, late]), [
    false,
    false,
    false,
    false,
  ]);
  assert.equal(marks.size, 0);
});
