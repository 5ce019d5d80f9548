'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { ConfigError, ICCMLogger, bind, currentTraceId, traceContext } = require('../index.js');
const { MAX_VALUES } = require('../lib/encoding.js');
const { shipped, unsent } = require('./support/unsent.js');

const dataOf = (record) => JSON.parse(record.data);
const logged = (data) => dataOf(shipped((log) => log.info('m', data))[0]);

test('each method has its level', () => {
  const methods = ['trace', 'debug', 'info', 'warn', 'error'];
  const found = shipped((log) => methods.forEach((name) => log[name]('m')));
  assert.deepEqual(
    found.map((record) => record.level),
    ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR'],
  );
});

test('records below the level are not made', () => {
  const { log, framed } = unsent({ level: 'WARN' });
  log.info('no');
  log.warn('yes');
  log.setLevel('error');
  log.warn('no');
  assert.equal(log.isEnabled('WARN'), false);
  assert.equal(log.isEnabled('ERROR'), true);
  assert.deepEqual(
    framed().map((record) => record.message),
    ['yes'],
  );
});

test('a level change reaches children and methods taken off the logger', () => {
  const { log, framed } = unsent({ level: 'INFO' });
  const { debug } = log.bind({ a: 1 });
  debug('no');
  log.setLevel('DEBUG');
  debug('yes');
  assert.deepEqual(
    framed().map((record) => record.message),
    ['yes'],
  );
});

test('a level may be given by name, alias or number, and an unknown one counts as INFO', () => {
  const hostile = { toString: () => assert.fail('no') };
  const found = shipped((log) => {
    for (const level of ['debug', 'CRITICAL', 35, 1, 'LOUD', hostile, null])
      log.log(level, 'm', { a: 1 });
    assert.equal(log.isEnabled(hostile), false);
    log.setLevel('LOUD');
  });
  assert.deepEqual(
    found.map((record) => record.level),
    ['DEBUG', 'ERROR', 'WARN', 'TRACE', 'INFO', 'INFO', 'INFO'],
  );
  assert.deepEqual(dataOf(found[1]), { a: 1, godot: { level: 'CRITICAL' } });
});

test('a record may carry a time of its own', () => {
  const at = Date.UTC(2026, 10, 22, 20, 35, 8, 810);
  const [record] = shipped((log) => log.log('INFO', 'm', null, null, at));
  assert.equal(record.created_at, '2026-11-22T20:35:08.810000Z');
});

test('the time of a record is the time of its call', () => {
  const before = Date.now();
  const [record] = shipped((log) => log.info('m'));
  const at = Date.parse(record.created_at);
  assert.ok(at >= before - 3 && at <= Date.now() + 3, `${record.created_at}, ${before}`);
});

test('what is changed after the call does not show', () => {
  const list = [1];
  const data = { list, n: 1, map: new Map([['k', list]]) };
  const [record] = shipped((log) => {
    log.info('m', data);
    data.n = 2;
    list.push(2);
  });
  assert.deepEqual(dataOf(record), { list: [1], n: 1, map: { k: [1] } });
});

test('an error is logged with its stack, its causes and its own properties', () => {
  const inner = new TypeError('inner');
  const outer = Object.assign(new Error('outer', { cause: inner }), { code: 'E1' });
  const found = shipped((log) => {
    log.error('failed', outer);
    log.error(outer);
    log.error('failed', { err: outer, a: 1 });
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

const unspeakable = new Proxy(
  {},
  {
    get() {
      throw new Error('get');
    },
    ownKeys() {
      throw new Error('keys');
    },
    getPrototypeOf() {
      throw new Error('prototype');
    },
    has() {
      throw new Error('has');
    },
  },
);
const revoked = (() => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
})();
const cycle = { name: 'c' };
cycle.self = cycle;
cycle.map = new Map([['m', cycle]]);

function nested(levels) {
  let value = {};
  for (let i = 0; i < levels; i++) value = { n: value };
  return value;
}

const endless = {
  get next() {
    return Object.create(Object.getPrototypeOf(endless), Object.getOwnPropertyDescriptors(endless));
  },
};
const HOSTILE = {
  'a cycle': cycle,
  '50,000 levels': nested(50_000),
  'a proxy that throws': unspeakable,
  'a proxy that throws, inside': { p: unspeakable, list: [unspeakable] },
  'a revoked proxy': revoked,
  'a getter without end': endless,
  'a getter that throws nothing': {
    get a() {
      throw undefined;
    },
  }, // eslint-disable-line no-throw-literal
  'a toJSON that throws': {
    v: {
      toJSON() {
        throw new Error('no');
      },
    },
  },
  'a toJSON that returns itself': {
    v: {
      toJSON() {
        return this;
      },
      a: 1,
    },
  },
  'an invalid date': { d: new Date(NaN) },
  'an array of four billion holes': new Array(2 ** 32 - 1),
  'a Map whose key throws': new Map([
    [
      {
        toString() {
          throw new Error('no');
        },
      },
      1,
    ],
  ]),
  'an error that throws': Object.defineProperty(new Error('e'), 'stack', {
    get() {
      throw new Error('no');
    },
  }),
  'lone surrogates': { '\ud800': '\udfff' },
  'an iterator that throws': {
    s: Object.assign(new Set([1]), {
      [Symbol.iterator]() {
        throw new Error('no');
      },
    }),
  },
  'a promise and a WeakMap': { p: Promise.resolve(1), w: new WeakMap() },
  'a name that is none': {
    v: Object.create({
      constructor: { name: 5 },
      toJSON() {
        throw new Error('no');
      },
    }),
  },
};

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

test('bound fields come first and the record’s own win', () => {
  const found = shipped((log) => {
    const child = log.bind({ tenant: 'acme', region: 'eu' });
    child.info('a', { order: 1 });
    child.info('b', { region: 'us' });
    child.info('c');
    bind({ region: 'ap', user: 5 }, () => {
      child.info('d', { order: 2 });
      log.info('e', [1]);
    });
    log.bind({ id: 1 }).info('f', { user: { id: 2 } });
    log.bind({}).info('g');
  });
  assert.deepEqual(
    found.map((record) => record.data),
    [
      '{"tenant":"acme","region":"eu","order":1}',
      '{"tenant":"acme","region":"us"}',
      '{"tenant":"acme","region":"eu"}',
      '{"region":"eu","user":5,"tenant":"acme","order":2}',
      '{"region":"ap","user":5,"value":[1]}',
      '{"id":1,"user":{"id":2}}',
      undefined,
    ],
  );
});

test('bound fields are redacted, cleaned and a snapshot', () => {
  const tags = ['a'];
  const found = shipped((log) => {
    const child = log.bind({ password: 'p', tags, x: NaN, godot: 1 });
    tags.push('b');
    child.info('m', { k: 1 });
    child.bind({ y: 1 }).info('m');
    log.bind(unspeakable).info('m');
  });
  for (const record of found.slice(0, 2)) {
    const { password, tags: kept, x, godot_: renamed } = dataOf(record);
    assert.deepEqual([password, kept, x, renamed], ['[REDACTED]', ['a'], 'NaN', 1]);
  }
});

test('the trace of the context is used unless one is given, also after await', async () => {
  const trace = '0AF7651916CD43DD8448EB211C80319C';
  const { log, framed } = unsent();
  await traceContext(trace, async () => {
    log.info('m');
    await null;
    log.info('m', null, 'other');
    assert.equal(currentTraceId(), trace);
    traceContext(null, () => assert.equal(currentTraceId(), null));
  });
  log.info('m');
  log.info('m', null, { un: 'usual' });
  log.info('m', null, 't'.repeat(200));
  const found = framed();
  assert.deepEqual(
    found.slice(0, 4).map((record) => record.trace_id),
    [...['0af76519-16cd-43dd-8448-eb211c80319c', 'other', undefined, '[object Object]']],
  );
  assert.equal(found[4].trace_id.length, 128);
  assert.deepEqual(dataOf(found[4]), { godot: { truncated: { trace_id: 200 } } });
});

test('loggers with different rules share a batch', () => {
  const options = { redisUrl: 'redis://127.0.0.1:1/0', stream: 'shared-batch' };
  const first = unsent({ ...options, redactFields: ['ssn'] });
  const second = unsent(options);
  first.log.info('m', { ssn: '1' });
  second.log.info('m', { ssn: '1', token: '2' });
  second.log.info('m', { ssn: '1' });
  first.log.info('m', { ssn: '1' });
  assert.deepEqual(
    first.framed().map((record) => record.data),
    [
      '{"ssn":"[REDACTED]"}',
      '{"ssn":"1","token":"[REDACTED]"}',
      '{"ssn":"1"}',
      '{"ssn":"[REDACTED]"}',
    ],
  );
  second.log.info('m', { ssn: '1' });
  first.log.info('m', { ssn: '1' });
  const [, masked] = first.framed(); // the first in the batch knows of no ssn
  assert.equal(masked.data, '{"ssn":"[REDACTED]"}');
});

test('what does not fit is refused, and the last fifth is for warnings', () => {
  const { log, framed, intake } = unsent({ bufferRecords: 10, bufferBytes: 65_536 });
  for (let i = 0; i < 30; i++) log.info('m', { i });
  for (let i = 0; i < 3; i++) log.warn('w');
  log.error('x'.repeat(70_000));
  const found = framed();
  assert.deepEqual(
    found.map((record) => record.level),
    [...Array(8).fill('INFO'), 'WARN', 'WARN'],
  );
  assert.deepEqual(intake.refusals(), [
    ['buffer_full', 23],
    ['too_large', 1],
  ]);
});

test('bytes are bounded too', () => {
  const { log, framed } = unsent({ bufferBytes: 65_536 });
  for (let i = 0; i < 30; i++) log.error('x'.repeat(10_000));
  assert.equal(framed().length, 6);
});

test('a disabled logger queues nothing', async () => {
  const { log, framed } = unsent({ enabled: false });
  log.error('m', { a: 1 });
  log.setLevel('TRACE');
  log.bind({ a: 1 }).error('m');
  assert.equal(log.isEnabled('ERROR'), false);
  assert.deepEqual(framed(), []);
  assert.equal(log.stats().state, 'idle');
  assert.equal(await log.flush(0), true);
  await log.close();
});

test('a wrong option throws at construction and says what is allowed', () => {
  assert.throws(
    () => new ICCMLogger({ component: 'api', level: 'LOUD' }),
    (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /^level='LOUD' is not usable: allowed is TRACE, DEBUG/);
      return true;
    },
  );
});
