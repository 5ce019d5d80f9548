'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { ConfigError, ICCMLogger, bind, currentTraceId, traceContext } = require('../index.js');
const { unspeakable } = require('./support/hostile.js');
const { shipped, unsent } = require('./support/unsent.js');

const dataOf = (record) => JSON.parse(record.data);

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

test('a time that no record can bear is not taken, and spoils no neighbour', () => {
  const now = Date.now();
  const found = shipped((log) => {
    for (const at of [-1.5, -1e12, 1.8e15, 1.8e18, 8.64e15, NaN, Infinity, 7n, '7'])
      log.log('INFO', 'm', null, null, at);
    log.log('INFO', 'm', null, null, 0.5);
  });
  assert.deepEqual(found.at(-1).created_at, '1970-01-01T00:00:00.000500Z');
  assert.equal(found.length, 10);
  for (const { created_at: text } of found.slice(0, -1)) {
    assert.equal(text.length, 27);
    assert.ok(Math.abs(Date.parse(text) - now) < 60_000, text);
  }
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
