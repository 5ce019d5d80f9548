'use strict';
// What data and messages become: every kind of value, hostile ones, large ones.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { runInNewContext } = require('node:vm');
const { MAX_VALUES } = require('../lib/encoding.js');
const { HOSTILE, cycle, unspeakable } = require('./support/hostile.js');
const { shipped, unsent } = require('./support/unsent.js');

const dataOf = (record) => JSON.parse(record.data);
const logged = (data) => dataOf(shipped((log) => log.info('m', data))[0]);

test('an error is logged with its stack, its causes and its own properties', () => {
  const inner = new TypeError('inner');
  const outer = Object.assign(new Error('outer', { cause: inner }), { code: 'E1' });
  const found = shipped((log) => {
    log.error('failed', outer);
    log.error(outer);
    log.error('failed', { err: outer, a: 1 });
    log.error(outer, { code: 'own', a: 1 });
  });
  for (const record of found.slice(0, 2)) {
    const data = dataOf(record);
    assert.match(data.exception, /^Error: outer\n {4}at .*\nCaused by: TypeError: inner\n/s);
    assert.equal(data.code, 'E1');
  }
  assert.equal(found[1].message, 'Error: outer');
  const { err } = dataOf(found[2]);
  assert.deepEqual(
    [err.name, err.message, err.code, err.cause.message],
    ['Error', 'outer', 'E1', 'inner'],
  );
  assert.match(err.stack, /^Error: outer\n/);
  const { exception, ...own } = dataOf(found[3]);
  assert.equal(found[3].message, 'Error: outer');
  assert.match(exception, /^Error: outer\n {4}at .*\nCaused by: TypeError: inner\n/s);
  assert.deepEqual(own, { code: 'own', a: 1 }); // data wins over the error's own
});

test('what an error gathers is in its stack, and a cause that is no error beside it', () => {
  const many = new AggregateError([new RangeError('one'), 'two'], 'both');
  const found = shipped((log) => {
    log.error('failed', many);
    log.error('failed', new TypeError('outer', { cause: many }));
    log.error('failed', new Error('full', { cause: { disk: 'sda', password: 'hunter2' } }));
  }).map(dataOf);
  assert.match(found[0].exception, /^AggregateError: both\n.*\nGathered: RangeError: one\n.*\nGathered: two$/s);
  assert.match(found[1].exception, /^TypeError: outer\n.*\nCaused by: AggregateError: both\n.*\nGathered: two$/s);
  assert.match(found[2].exception, /^Error: full\n/);
  assert.deepEqual(found[2].cause, { disk: 'sda', password: '[REDACTED]' });
});

test('an error of another realm is one', () => {
  const error = runInNewContext('new TypeError("elsewhere")');
  const [data, message, inside] = shipped((log) => {
    log.error('failed', error);
    log.error(error);
    log.error('failed', { error });
  });
  assert.match(dataOf(data).exception, /^TypeError: elsewhere\n/);
  assert.equal(message.message, 'TypeError: elsewhere');
  assert.equal(dataOf(inside).error.message, 'elsewhere');
});

test('a secret in an error is redacted', () => {
  const [record] = shipped((log) =>
    log.error('failed', new Error('no postgres://bob:s3cret@db/x')),
  );
  assert.ok(!record.data.includes('s3cret'));
});

class Point {
  constructor() {
    this.x = 1;
  }
}
class Money {
  toJSON() {
    return { amount: 5 };
  }
}
const VALUES = {
  'a Map': [
    new Map([
      ['a', 1],
      [5, new Set(['b'])],
    ]),
    { a: 1, 5: ['b'] },
  ],
  'a Set': [new Set([1, 'a', null]), [1, 'a', null]],
  'a Date': [new Date(0), '1970-01-01T00:00:00.000Z'],
  'a Buffer': [Buffer.from('ab'), 'YWI='],
  'an ArrayBuffer': [new Uint8Array([97, 98]).buffer, 'YWI='],
  'a DataView': [new DataView(new Uint8Array([97, 98]).buffer), 'YWI='],
  'a typed array': [new Int16Array([1, -2]), [1, -2]],
  'a BigInt': [9_007_199_254_740_993n, 9_007_199_254_740_993n],
  'a class': [new Point(), { x: 1 }],
  'a toJSON': [new Money(), { amount: 5 }],
  'an object without prototype': [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  'a RegExp': [/a+/g, '/a+/g'],
  'a URL': [new URL('http://h/x'), 'http://h/x'],
  'a symbol': [Symbol('s'), 'Symbol(s)'],
  'a function': [function named() {}, '[Function named]'],
  'a boxed text': [new String('a'), 'a'],
  'a key __proto__': [JSON.parse('{"__proto__": {"a": 1}}'), JSON.parse('{"__proto__": {"a": 1}}')],
  'a hole and undefined': [
    [1, , undefined, 2],
    [1, null, null, 2],
  ], // eslint-disable-line no-sparse-arrays
  'a proxy': [new Proxy({ a: 1 }, {}), { a: 1 }],
};

for (const [name, [value, expected]] of Object.entries(VALUES)) {
  test(`${name} has its JSON`, () => {
    const [record] = shipped((log) => log.info('m', { v: value }));
    const spelled = typeof expected === 'bigint' ? `${expected}` : JSON.stringify(expected);
    assert.equal(record.data, `{"v":${spelled}}`);
  });
}

test('undefined is left out of objects, as in JSON', () => {
  const [record] = shipped((log) => log.info('m', { a: undefined, b: 1 }));
  assert.equal(record.data, '{"b":1}');
});

test('BigInt ids stay exact beside a secret', () => {
  const [record] = shipped((log) =>
    log.info('m', { id: 12_345_678_901_234_567_890n, password: 'x' }),
  );
  assert.equal(record.data, '{"id":12345678901234567890,"password":"[REDACTED]"}');
});

test('what is no number in 64 bits is a text, and noted', () => {
  const data = logged({ a: 2n ** 64n, b: -(2n ** 63n) - 1n, c: 2 ** 65, d: -Infinity });
  assert.deepEqual(data, {
    a: '18446744073709551616',
    b: '-9223372036854775809',
    c: '36893488147419103232',
    d: '-Infinity',
    godot: { cleaned: ['numbers'] },
  });
  assert.match(logged({ a: 10n ** 5_000n }).a, /^0x[0-9a-f]{4000,8190}$/);
});

for (const [name, data] of Object.entries(HOSTILE)) {
  test(`hostile data throws nothing and spoils no neighbour: ${name}`, () => {
    const found = shipped((log) => {
      log.info('before', { i: 1 });
      log.info('hostile', data);
      log.info('after', { i: 2 });
    });
    assert.deepEqual(
      found.map((record) => record.message),
      ['before', 'hostile', 'after'],
    );
    assert.equal(typeof JSON.parse(found[1].data ?? '{}'), 'object');
    assert.deepEqual([found[0].data, found[2].data], ['{"i":1}', '{"i":2}']);
  });
}

test('a getter that throws does not take its neighbours along', () => {
  const data = logged({
    a: 1,
    get b() {
      throw new Error('no');
    },
    c: new Map([['z', 2]]),
  });
  assert.deepEqual(data, { a: 1, b: '[UNREADABLE]', c: { z: 2 }, godot: { cleaned: ['values'] } });
});

test('equal parts that are no cycle are kept, and a cycle ends where it begins', () => {
  const part = { n: 1 };
  assert.deepEqual(logged({ a: part, b: [part] }), { a: { n: 1 }, b: [{ n: 1 }] });
  assert.deepEqual(logged(cycle), {
    ...{ name: 'c', self: '[TOO DEEP]', map: { m: '[TOO DEEP]' } },
    godot: { cleaned: ['depth'] },
  });
});

test('a small object that unfolds into millions is stopped', () => {
  let value = [];
  for (let i = 0; i < 25; i++) value = [value, value];
  const [record] = shipped((log) => log.info('m', { bomb: value }));
  assert.ok(record.data.split('[').length <= MAX_VALUES + 9);
  assert.ok(record.data.includes('"values"'));
});

test('a list that repeats a long text, or bytes, is no gigabyte', () => {
  for (const part of ['x'.repeat(262_144), Buffer.alloc(196_608)]) {
    const { log, framed } = unsent();
    log.info('m', { list: Array(2_500).fill(part), k: 1 });
    const [{ data }] = framed();
    assert.ok(JSON.parse(data).godot.truncated.data > 655_000_000);
  }
});

test('a list of lists of holes is not looked through to its end', () => {
  let reads = 0;
  const holes = new Proxy(new Array(99_000), {
    get(target, key) {
      if (/^\d+$/.test(String(key))) reads++;
      return target[key];
    },
  });
  logged({ lists: Array(20).fill(holes) });
  assert.ok(reads < 3 * MAX_VALUES, `${reads}`);
});

const MESSAGES = [
  [5, '5'],
  [null, 'null'],
  [undefined, 'undefined'],
  [Buffer.from('a\xff', 'latin1'), 'a\ufffd'],
  [new RangeError('v'), 'RangeError: v'],
  [{ a: 1n }, '{"a":1}'],
  [['a'], '{"value":["a"]}'],
  [Symbol('s'), 'Symbol(s)'],
  ['\ud800', '\ufffd'],
  [unspeakable, '{"value":"<unprintable object>"}'],
];

test('any message has a text', () => {
  for (const [message, expected] of MESSAGES) {
    assert.equal(shipped((log) => log.info(message))[0].message, expected);
  }
});

test('an object that logs itself ends, and what it could not log is counted', () => {
  const { log, framed, intake } = unsent();
  const data = {
    get self() {
      log.info('inner', data);
      return 1;
    },
  };
  log.info('outer', data);
  const found = framed().map((record) => record.message);
  assert.equal(found.at(-1), 'outer');
  assert.ok(found.length < 100);
  assert.equal(intake.refusals()[0][0], 'unreadable');
});

test('megabytes are cut in the call and the true size is named', () => {
  const { log, framed, intake } = unsent();
  log.info('é'.repeat(5_000_000), { blob: 'x'.repeat(3_000_000), k: 1 });
  const [queued] = intake.take(1);
  assert.ok(queued.size < 2_000_000);
  log.info('é'.repeat(5_000_000), { blob: 'x'.repeat(3_000_000), k: 1 });
  const [record] = framed();
  assert.equal(Buffer.byteLength(record.message), 65_536);
  const data = dataOf(record);
  assert.deepEqual(data.godot, { truncated: { message: 10_000_000, data: 3_000_017 } });
  assert.deepEqual([data.k, data.blob.length], [1, 8_192]);
});

test('a secret beyond the first cut does not escape by halves', () => {
  const blob = `${'x'.repeat(262_100)} password=${'s'.repeat(3_000_000)}`;
  const [record] = shipped((log) => log.info('m', { blob, token: 't' }));
  assert.ok(!record.data.includes('sss'));
  assert.equal(dataOf(record).token, '[REDACTED]');
});

test('bytes beyond the limit are cut before they become text', () => {
  const data = logged({ b: Buffer.alloc(10_000_000), k: 1 });
  assert.equal(data.k, 1);
  assert.ok(data.godot.truncated.data > 13_000_000);
});

test('data over the limit keeps what fits and names the rest', () => {
  const data = {};
  for (let i = 0; i < 60; i++)
    data[`key${i}`] = Array.from({ length: 9 }, () => `${i % 10}`.repeat(5_000));
  const found = logged(data);
  const { omitted, omitted_keys: count, truncated } = found.godot;
  assert.equal(omitted.length, 32);
  assert.equal(Object.keys(found).length - 1 + count, 60);
  assert.ok(truncated.data > 2_000_000);
});
