'use strict';
// The parts between a call and the connection, each by itself.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { parseRecordId } = require('../index.js');
const { BUFFER_FULL, Drops, Intake, merged } = require('../lib/buffer.js');
const { bound } = require('../lib/context.js');
const { Outage, fieldsOf } = require('../lib/fallback.js');
const { Fifo } = require('../lib/fifo.js');
const { Marks } = require('../lib/flush.js');
const { Framer, Source, snapshotOf } = require('../lib/framing.js');
const { Producer, recordId } = require('../lib/identity.js');
const { Outbox } = require('../lib/outbox.js');
const { Packer } = require('../lib/packer.js');
const { STANDARD } = require('../lib/redaction.js');
const { command, partsOf } = require('../lib/resp.js');
const clock = require('../lib/clock.js');

/** A generator of numbers below n, the same in every run. */
function dice(seed) {
  let state = seed;
  return (n) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * n);
  };
}

const PRODUCER = 0x2a;
const snapshot = (level = 20, size = 1, message = 'm') => ({ level, size, message });

test('an id says when, which number, and of which producer', () => {
  for (const sequence of [1, 2, 1_023, 1_024, 1_025, 2 ** 24 - 1, 2 ** 24, 2 ** 36 - 1]) {
    for (const producer of [0, 0x2a, 2 ** 38 - 1]) {
      const ms = 1_795_379_708_810;
      assert.deepEqual(parseRecordId(recordId(ms, sequence, producer)), { ms, sequence, producer });
    }
  }
});

test('a producer that has used up its numbers becomes a new one', () => {
  const producer = new Producer();
  const first = producer.number;
  producer.claim(2 ** 36 - 2);
  assert.equal(producer.claim(), 2 ** 36 - 1);
  assert.equal(producer.claim(), 1);
  assert.notEqual(producer.number, first);
  assert.equal(producer.hex.length, 10);
});

test('a record made of parts has its own id and time, over every boundary', () => {
  const source = new Source('api', STANDARD);
  for (const sequence of [1_023, 2 ** 24 - 1, 2 ** 36 - 2]) {
    const batch = [0, 0.5, 1, 1.25].map((more) =>
      snapshotOf(20, new clock.OwnTime(1_795_379_708_999 + more), source, undefined, null, 'm', '', null, null),
    );
    const found = new Framer('s', 1_000).frame(batch.slice(0, 2), PRODUCER, sequence).map(fieldsOf);
    found.forEach((fields, i) => {
      const { ms, sequence: number, producer } = parseRecordId(fields.id);
      assert.deepEqual([number, producer], [sequence + i, PRODUCER]);
      assert.equal(new Date(ms).toISOString().slice(0, 23), fields.created_at.slice(0, 23));
    });
    const seconds = new Framer('s', 1_000).frame(batch, PRODUCER, 1).map(fieldsOf);
    assert.deepEqual(
      seconds.map((fields) => fields.created_at.slice(17, 22)),
      ['08.99', '08.99', '09.00', '09.00'],
    );
  }
});

test('the command is one XADD with a limit, its fields in wire order', () => {
  const source = new Source('api', STANDARD);
  const one = snapshotOf(20, 1, source, undefined, 't', 'm\u00e9', '{"a":1}', null, null);
  const [parcel] = new Framer('s', 5_000).frame([one], PRODUCER, 1);
  const parts = partsOf(parcel.command);
  assert.deepEqual(parts.slice(0, 6), ['XADD', 's', 'MAXLEN', '~', '5000', '*']);
  const names = parts.filter((_, i) => i >= 6 && i % 2 === 0);
  assert.deepEqual(names, [
    'id',
    'created_at',
    'component',
    'level',
    'message',
    'trace_id',
    'data',
  ]);
  assert.equal(Buffer.byteLength(command(parts)), parcel.bytes);
  assert.equal(command(parts), parcel.command);
});

test('bytes are counted right wherever a letter takes two', () => {
  const usual = { component: 'api', fields: {}, traceId: 't', message: 'm', data: '{"a":"b"}' };
  for (const special of [
    {},
    { component: 'é' },
    { fields: { user: 'é' } },
    { traceId: 'é' },
    { message: 'é' },
    { data: '{"a":"é"}' },
  ]) {
    const { component, fields, traceId, message, data } = { ...usual, ...special };
    const source = new Source(component, STANDARD, bound(null, fields));
    const one = snapshotOf(20, 1, source, undefined, traceId, message, data, null, null);
    const [parcel] = new Framer('s', 5_000).frame([one], PRODUCER, 1);
    assert.equal(parcel.bytes, Buffer.byteLength(parcel.command));
    assert.equal(command(partsOf(parcel.command)), parcel.command);
    assert.equal(fieldsOf(parcel).message, message);
  }
});

test('neither bound of the queue is ever exceeded, and everyone is counted', () => {
  for (let seed = 1; seed < 200; seed++) {
    const roll = dice(seed);
    const queue = new Intake(10, 1_000, () => {});
    const n = roll(60);
    for (let i = 0; i < n; i++) queue.put(snapshot(roll(2) ? 20 : 40, roll(500)));
    const refused = queue.refusals().reduce((sum, [, count]) => sum + count, 0);
    const taken = queue.take(100);
    assert.ok(taken.length <= 10);
    assert.ok(taken.reduce((sum, { size }) => sum + size, 0) <= 1_000);
    assert.equal(taken.length + refused, n);
  }
});

test('the last fifth is for warnings, and records come out as they went in', () => {
  let woken = 0;
  const queue = new Intake(10, 1_000, () => (woken++, (queue.idle = false)));
  for (let i = 0; i < 12; i++) queue.put(snapshot(20, 1, `${i}`));
  assert.equal(queue.length, 8);
  for (let i = 0; i < 12; i++) queue.put(snapshot(30));
  assert.deepEqual(queue.refusals(), [[BUFFER_FULL, 14]]);
  assert.deepEqual(queue.refusals(), []);
  assert.deepEqual(
    queue.take(3).map(({ message }) => message),
    ['0', '1', '2'],
  );
  assert.equal(queue.taken, 3);
  assert.equal(woken, 1);
});

test('first in, first out, whatever is done', () => {
  for (let seed = 1; seed < 60; seed++) {
    const roll = dice(seed);
    const fifo = new Fifo();
    const model = [];
    for (let i = 0; i < 4_000; i++) {
      const step = roll(10);
      if (step < 5) (model.push(i), fifo.push(i));
      else if (step < 8) assert.equal(fifo.shift(), model.shift());
      else if (step < 9) assert.deepEqual(fifo.take(5), model.splice(0, 5));
      else {
        const front = fifo.take(3);
        fifo.putBack(front);
      }
      assert.equal(fifo.length, model.length);
      assert.equal(fifo.first, model[0]);
    }
    assert.deepEqual([...fifo], model);
    assert.equal(fifo.at(2), model[2]);
  }
});

test('what is refused gets its number while more waits', () => {
  const queue = new Intake(500, 1e6, () => {});
  const drops = new Drops();
  const packer = new Packer(queue, new Producer(), new Framer('s', 1_000), drops);
  const source = new Source('api', STANDARD);
  for (let i = 0; i < 407; i++) {
    queue.put(snapshotOf(20, 1, source, undefined, null, 'm', '', null, null));
  }
  const taken = packer.take(1);
  assert.ok(queue.length > 0);
  const [from, to] = [taken.length + 1, taken.length + 7];
  assert.deepEqual(drops.take(9), { reason: BUFFER_FULL, ranges: [[from, to]] });
});

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

const parcels = (first, last, bytes = 10) =>
  Array.from({ length: last - first + 1 }, (_, i) => ({ sequence: first + i, command: '', bytes }));
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
  assert.ok(box.large);
  assert.equal(box.settle(1, [null]), 1);
  assert.equal(box.batch().length, 1_000);
});

test('receipts go first; refused they come apart, unanswered they stay', () => {
  const drops = new Drops();
  const box = new Outbox(10, 10_000, drops);
  box.add(parcels(1, 2));
  box.receipts.push({ parcel: { sequence: 9, bytes: 1 }, reason: 'full', ranges: [[3, 8]] });
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

test('waiting times double up to a limit and begin anew after success', () => {
  let now = 0;
  const outage = new Outage(
    () => now,
    () => 1,
  );
  const waits = Array.from({ length: 8 }, () => (outage.failed('p', 'r'), outage.waitMs));
  assert.deepEqual(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  outage.failed('p', 'r', true);
  assert.equal(outage.waitMs, 250);
  now += 250;
  assert.equal(outage.waitMs, 0);
  outage.over('p', '');
  outage.failed('p', 'r');
  assert.deepEqual([outage.waitMs, outage.count], [100, 2]);
  const jittered = new Outage(
    () => 0,
    () => 0,
  );
  jittered.failed('p', 'r');
  assert.equal(jittered.waitMs, 50);
});
