'use strict';
// The parts between a call and the connection, each by itself: ids, commands, the queue.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { parseRecordId } = require('../index.js');
const { BUFFER_FULL, Drops, Intake } = require('../lib/buffer.js');
const { bound } = require('../lib/context.js');
const { Outage } = require('../lib/fallback.js');
const { Fifo } = require('../lib/fifo.js');
const { Framer, Source, snapshotOf } = require('../lib/framing.js');
const { Producer, recordId } = require('../lib/identity.js');
const { Packer } = require('../lib/packer.js');
const { buffersOf, fieldsOf } = require('../lib/parcel.js');
const { STANDARD } = require('../lib/redaction.js');
const { command, partsOf } = require('../lib/resp.js');
const clock = require('../lib/clock.js');
const { dice } = require('./support/dice.js');

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

test('whatever a clock shows, a record has a time', () => {
  const source = new Source('api', STANDARD);
  const batch = [-1e13, -1e13 - 0.5, 1e15, 1e18, NaN].map((at) =>
    snapshotOf(20, at, source, undefined, null, 'm', '', null, null),
  );
  const found = new Framer('s', 1_000).frame(batch, PRODUCER, 1).map(fieldsOf);
  const [first, last] = ['1970-01-01T00:00:00.000000Z', '9999-12-31T00:00:00.000000Z'];
  assert.deepEqual(
    found.map((fields) => fields.created_at),
    [first, first, last, last, first],
  );
});

test('the command is one XADD with a limit, its fields in wire order', () => {
  const source = new Source('api', STANDARD);
  const one = snapshotOf(20, 1, source, undefined, 't', 'm\u00e9', '{"a":1}', null, null);
  const [packed] = buffersOf(new Framer('s', 5_000).frame([one], PRODUCER, 1));
  const parts = partsOf(packed);
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
  assert.deepEqual(command(parts), packed);
});

test('bytes are counted right wherever a letter takes two', () => {
  const usual = {
    ...{ stream: 's', component: 'api', fields: {}, traceId: 't', message: 'm', data: '{"a":"b"}' },
  };
  for (const special of [
    {},
    { stream: 'é' },
    { component: 'é' },
    { fields: { user: 'é' } },
    { traceId: 'é' },
    { message: 'é' },
    { data: '{"a":"é"}' },
  ]) {
    const { stream, component, fields, traceId, message, data } = { ...usual, ...special };
    const source = new Source(component, STANDARD, bound(null, fields));
    const one = snapshotOf(20, 1, source, undefined, traceId, message, data, null, null);
    const parcels = new Framer(stream, 5_000).frame([one, one], PRODUCER, 1);
    const [packed, ...more] = buffersOf(parcels);
    assert.deepEqual(more, []);
    const spelled = parcels.map(({ memory, from, to }) => memory.subarray(from, to));
    assert.deepEqual(Buffer.concat(spelled), packed);
    for (const [i, bytes] of spelled.entries()) {
      assert.deepEqual(command(partsOf(bytes)), bytes);
      assert.deepEqual(partsOf(bytes).slice(1, 2), [stream]);
      assert.equal(fieldsOf(parcels[i]).message, message);
    }
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
  const queue = new Intake(10, 1_000, () => (woken++, (queue.wakeAt = Infinity)));
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

test('what is taken at once is bounded in bytes too, and never nothing', () => {
  const queue = new Intake(100, 1e6, () => {});
  for (const size of [300, 10, 20, 71, 1]) queue.put(snapshot(20, size));
  const sizes = Array.from({ length: 4 }, () => queue.take(50, 100).map(({ size }) => size));
  assert.deepEqual(sizes, [[300], [10, 20], [71, 1], []]);
});

test('what is packed without a pause is bounded in bytes too', () => {
  const queue = new Intake(100, 1e7, () => {});
  const packer = new Packer(queue, new Producer(), new Framer('s', 1_000), new Drops());
  const source = new Source('api', STANDARD);
  for (let i = 0; i < 50; i++) {
    queue.put(snapshotOf(20, 1, source, undefined, null, 'm'.repeat(40_000), '', null, null));
  }
  assert.equal(packer.take(1).length, 1);
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
    assert.deepEqual(model.map((_, n) => fifo.at(n)), model);
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
