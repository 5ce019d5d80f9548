'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const { ICCMLogger, parseRecordId } = require('../index.js');
const { ownServer, sharedServer, streamName } = require('./support/server.js');
const { account, messages, read } = require('./support/stream.js');
const { forLoggers } = require('./support/vectors.js');

const server = sharedServer();

function logger(t, options = {}) {
  const stream = options.stream ?? streamName();
  const log = new ICCMLogger({
    component: 'api',
    redisUrl: server.url,
    stream,
    level: 'TRACE',
    ...options,
  });
  t.after(() => log.close());
  return { log, stream };
}

test('records arrive exactly as the vectors say', async (t) => {
  const cases = forLoggers();
  const stream = streamName();
  let log;
  for (const { given, redact_fields: redactFields } of cases) {
    ({ log } = logger(t, { component: given.component, redactFields, stream }));
    log[given.level.toLowerCase()](given.message, given.data, given.trace_id);
  }
  assert.ok(await log.flush(10_000));
  const found = await read(server, stream);
  found.forEach((record, i) => {
    assert.deepEqual(
      Object.entries(record).slice(2),
      Object.entries(cases[i].fields),
      cases[i].name,
    );
    assert.equal(parseRecordId(record.id).sequence, i + 1);
  });
  assert.equal(found.length, cases.length);
});

test('a producer announces itself in the hash', async (t) => {
  const { log, stream } = logger(t, { component: 'my service' });
  for (let i = 0; i < 10; i++) log.info(`m${i}`);
  assert.ok(await log.flush(10_000));
  const [name, value] = await server.command('HGETALL', `${stream}:producers`);
  assert.equal(name, log.stats().producer);
  const [sent, component, host, pid, version, startedAt, dropped] = value.split(' ');
  assert.deepEqual([sent, component, dropped], ['10', 'my_service', '0']);
  assert.deepEqual([Number(pid), version], [process.pid, require('../package.json').version]);
  assert.ok(host);
  assert.match(startedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
});

test('the stream is kept to its limit', async (t) => {
  const { log, stream } = logger(t, { maxlen: 1_000 });
  for (let i = 0; i < 4_000; i++) log.info(`m${i}`);
  assert.ok(await log.flush(10_000));
  const length = await server.command('XLEN', stream);
  assert.ok(length >= 1_000 && length < 1_200, `${length}`);
});

for (const count of [1, 49, 50, 51, 499, 500, 501, 1_500]) {
  test(`a batch of ${count} arrives in order`, async (t) => {
    const { log, stream } = logger(t);
    for (let i = 0; i < count; i++) log.info(`m${i}`);
    assert.ok(await log.flush(10_000));
    assert.deepEqual(
      await messages(server, stream),
      Array.from({ length: count }, (_, i) => `m${i}`),
    );
  });
}

test('a program that gives turns loses nothing, however much it logs', async (t) => {
  const { log, stream } = logger(t);
  for (let i = 0; i < 20_000; i++) {
    log.info(`m${i}`, { i });
    if (i % 100 === 99) await turn();
    while (log.pressed) await turn();
  }
  assert.ok(await log.flush(20_000));
  const { records, lost } = await account(server, stream);
  assert.deepEqual([records, lost], [20_000, 0]);
});

test('a burst larger than the buffer is accounted for', async (t) => {
  const { log, stream } = logger(t, { bufferRecords: 200 });
  for (let i = 0; i < 20_000; i++) {
    log.info(`m${i}`);
    if (i % 1_000 === 999) await turn();
  }
  await log.flush(20_000);
  const { records, lost } = await account(server, stream);
  assert.equal(records + lost, 20_000);
  assert.ok(lost > 0);
  assert.deepEqual(log.stats().dropped, { buffer_full: lost });
});

test('records too large for the buffer are named as such', async (t) => {
  const { log, stream } = logger(t, { bufferRecords: 10, bufferBytes: 65_536 });
  log.info('x'.repeat(70_000));
  log.info('fits');
  await log.flush(10_000);
  const [receipt] = (await read(server, stream)).filter(
    ({ message }) => message === 'records dropped',
  );
  assert.equal(JSON.parse(receipt.data).godot.reason, 'too_large');
  assert.deepEqual(log.stats().dropped, { too_large: 1 });
  await account(server, stream);
});

test('loggers of one process share a producer', async (t) => {
  const { log: first, stream } = logger(t, { component: 'one' });
  const { log: second } = logger(t, { component: 'two', stream });
  first.info('a');
  second.info('b');
  first.info('c');
  assert.ok(await second.flush(10_000));
  const found = (await read(server, stream)).map(({ component, message }) => component + message);
  assert.deepEqual(found, ['onea', 'twob', 'onec']);
  assert.equal((await account(server, stream)).producers, 1);
});

test('a closed logger works again', async (t) => {
  const { log, stream } = logger(t);
  log.info('before');
  await log.close();
  log.info('after');
  assert.ok(await log.flush(10_000));
  assert.deepEqual(await messages(server, stream), ['before', 'after']);
  await log.close();
  await log.close();
});

test('nothing is sent before anything is logged', async (t) => {
  const { log, stream } = logger(t, { level: 'ERROR' });
  log.info('m');
  assert.equal(await log.flush(0), true);
  assert.equal(log.stats().state, 'idle');
  assert.equal(await server.command('EXISTS', stream, `${stream}:producers`), 0);
});

test('a server with a password works', async (t) => {
  const own = await ownServer(t);
  await own.command('CONFIG', 'SET', 'requirepass', 'pässword');
  own.credentials = { password: 'pässword' };
  const url = own.url.replace('unix://', 'unix://:p%C3%A4ssword@');
  const { log, stream } = logger(t, { redisUrl: url });
  log.info('m');
  assert.ok(await log.flush(10_000));
  assert.deepEqual(await messages(own, stream), ['m']);
});

test('another database of the server is another place', async (t) => {
  const own = await ownServer(t);
  const { log, stream } = logger(t, { redisUrl: own.url.replace('db=0', 'db=3') });
  log.info('m');
  assert.ok(await log.flush(10_000));
  own.credentials = { database: 3 };
  assert.deepEqual(await messages(own, stream), ['m']);
});

for (const hello of ['+hello', '-hello']) {
  test(`a user who may only append delivers, and hears it once (${hello})`, async (t) => {
    const own = await ownServer(t);
    const stream = streamName();
    const rights = ['on', '>pw', `%W~${stream}`, '-@all', '+xadd', '+ping', '+auth', hello];
    await own.command('ACL', 'SETUSER', 'producer', ...rights);
    const { run } = require('./support/program.js');
    const program = `
      const { ICCMLogger } = require('godot-logs');
      const log = new ICCMLogger();
      (async () => {
        for (const text of ['m0', 'm1', 'm2']) {
          log.info(text);
          if (!(await log.flush(10000))) process.exit(9);
        }
      })();`;
    const url = own.url.replace('unix://', 'unix://producer:pw@');
    const { code, err, out } = await run(program, { url, stream });
    assert.deepEqual([code, out], [0, []]);
    assert.deepEqual(await messages(own, stream), ['m0', 'm1', 'm2']);
    assert.equal(err.length, 1);
    assert.match(err[0], new RegExp(`${stream}:producers cannot be written`));
  });
}

test('a flush may wait without end', async (t) => {
  const { log, stream } = logger(t);
  log.info('m');
  assert.equal(await log.flush(Infinity), true);
  assert.deepEqual(await messages(server, stream), ['m']);
});

test('concurrent flushes are all answered', async (t) => {
  const { log, stream } = logger(t);
  const waits = [];
  for (let i = 0; i < 100; i++) {
    log.info(`m${i}`);
    waits.push(log.flush(10_000));
    if (i % 10 === 0) await turn();
  }
  assert.ok((await Promise.all(waits)).every(Boolean));
  assert.equal((await account(server, stream)).records, 100);
});

test('the sender inherits no context of a caller’s', async (t) => {
  const { AsyncLocalStorage } = require('node:async_hooks');
  const storage = new AsyncLocalStorage();
  const { log, stream } = logger(t);
  let kept = { big: Buffer.alloc(1_000) };
  const ref = new WeakRef(kept);
  storage.run(kept, () => log.info('m'));
  kept = null;
  assert.ok(await log.flush(10_000));
  require('node:v8').setFlagsFromString('--expose-gc');
  const gc = require('node:vm').runInNewContext('gc');
  for (let i = 0; i < 50 && ref.deref(); i++) {
    await turn();
    gc();
  }
  assert.equal(ref.deref(), undefined);
  assert.equal((await messages(server, stream)).length, 1);
});
