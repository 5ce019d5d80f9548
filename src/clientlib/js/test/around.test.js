'use strict';
// What stands around the logger: traces over HTTP, pino, console, both module systems.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const { Console } = require('node:console');
const { Writable } = require('node:stream');
const { test } = require('node:test');
const { inspect } = require('node:util');
const express = require('express');
const pino = require('pino');
const godot = require('../index.js');
const { run } = require('./support/program.js');
const { sharedServer, streamName } = require('./support/server.js');
const { account, messages, read, until } = require('./support/stream.js');

const { ICCMLogger } = godot;
const server = sharedServer();
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const STORED = '0af76519-16cd-43dd-8448-eb211c80319c';

function logger(t, options = {}) {
  const stream = options.stream ?? streamName();
  const log = new ICCMLogger({ component: 'shop', redisUrl: server.url, stream, ...options });
  t.after(() => log.close());
  return { log, stream };
}

async function serve(t, handler) {
  const listener = http.createServer(handler).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => listener.close());
  return `http://127.0.0.1:${listener.address().port}/`;
}

const HEADERS = [
  [{ 'X-Trace-ID': 'req-42' }, 'req-42'],
  [{ 'X-Trace-ID': TRACE.toUpperCase() }, STORED],
  [{ traceparent: `00-${TRACE}-b7ad6b7169203331-01`, 'X-Trace-ID': 'x' }, STORED],
  [{ traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` }, undefined],
  [{ traceparent: 'nonsense', 'X-Trace-ID': 'x' }, 'x'],
  [{ traceparent: `00-${TRACE}-b7ad6b7169203331-01-more` }, undefined],
  [{ traceparent: `01-${TRACE}-b7ad6b7169203331-01-more` }, STORED],
  [{}, undefined],
];

const HANDLERS = {
  http: (log) =>
    godot.traced(async (request, response) => {
      await null;
      log.info('served', { url: request.url });
      response.end(godot.currentTraceId());
    }),
  express: (log) =>
    express()
      .use(godot.traceMiddleware())
      .get('/', async (request, response) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        log.info('served', { url: request.url });
        response.send(String(godot.currentTraceId()));
      }),
};

for (const [name, make] of Object.entries(HANDLERS)) {
  test(`what is logged while a request is handled carries its trace id: ${name}`, async (t) => {
    const { log, stream } = logger(t);
    const url = await serve(t, make(log));
    for (const [headers, expected] of HEADERS) {
      const response = await fetch(url, { headers });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('x-trace-id'), expected ?? null);
      await response.text();
    }
    await Promise.all(HEADERS.map(([headers]) => fetch(url, { headers })));
    assert.ok(await log.flush(10_000));
    const found = await read(server, stream);
    assert.deepEqual(
      found.slice(0, HEADERS.length).map((record) => record.trace_id),
      HEADERS.map(([, id]) => id),
    );
    const all = found.map((record) => record.trace_id ?? '').sort();
    assert.deepEqual(all, [...HEADERS, ...HEADERS].map(([, id]) => id ?? '').sort());
  });
}

test('headers carry the trace to another program', () => {
  assert.deepEqual(godot.traceHeaders(), {});
  godot.traceContext('req-42', () =>
    assert.deepEqual(godot.traceHeaders(), { 'X-Trace-ID': 'req-42' }),
  );
  godot.traceContext(TRACE, () => {
    const headers = godot.traceHeaders();
    assert.equal(headers['X-Trace-ID'], STORED);
    assert.match(headers.traceparent, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
    assert.equal(godot.traceIdFrom({ traceparent: headers.traceparent }), STORED);
  });
});

test('a trace id is read from whatever carries it, and nothing that carries it throws', () => {
  const parent = `00-${TRACE}-b7ad6b7169203331-01`;
  const hostile = Object.defineProperty({}, 'traceparent', {
    enumerable: true,
    get() {
      throw new Error('no');
    },
  });
  for (const [carrier, expected] of [
    [new Headers({ TraceParent: ` ${parent} `, 'X-Trace-ID': 'x' }), STORED],
    [new Map([['Traceparent', parent]]), STORED],
    [[['X-TRACE-ID', ' req-42 ']], 'req-42'],
    [{ 'X-Trace-Id': 'req-42', traceparent: 7 }, 'req-42'],
    [{ 'x-trace-id': ['a', 'b'] }, 'a'],
    [{ 'x-trace-id': '😀'.repeat(200) }, '😀'.repeat(128)],
    [hostile, null],
    [{ 'x-trace-id': { toString: () => 'x' } }, null],
    ...[null, undefined, 'text', 7, [[]], [null]].map((carrier) => [carrier, null]),
  ]) {
    assert.equal(godot.traceIdFrom(carrier), expected);
  }
});

test('what no header may hold is in none', () => {
  for (const traceId of ['日本', 'a\nb', 'é', Symbol('x')]) {
    godot.traceContext(traceId, () => {
      const headers = godot.traceHeaders();
      void new Headers(headers);
      assert.deepEqual(Object.keys(headers), typeof traceId === 'symbol' ? ['X-Trace-ID'] : []);
    });
  }
});

async function throughPino(t, options, act) {
  const stream = streamName();
  const transport = pino.transport({
    target: require.resolve('../pino.js'),
    options: { component: 'shop', redisUrl: server.url, stream, bufferRecords: 300 },
  });
  await once(transport, 'ready');
  const log = pino({ level: 'trace', ...options }, transport);
  await act(log);
  transport.end();
  await once(transport, 'close');
  return read(server, stream);
}

test('pino’s records arrive with their level, time, trace and data', async (t) => {
  const found = await throughPino(t, {}, (log) => {
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) log[level](level);
    log.child({ module: 'cart' }).info({ order: 7, traceId: TRACE, password: 'p' }, 'placed %d', 1);
    log.error(new Error('boom'));
    log.info({ nothing: 'said' });
  });
  assert.deepEqual(
    found.slice(0, 6).map((record) => record.level),
    [...['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'ERROR']],
  );
  assert.deepEqual(JSON.parse(found[5].data), { godot: { level: 'FATAL' } });
  assert.equal(found[0].data, undefined); // no pid, no hostname
  assert.deepEqual([found[6].message, found[6].trace_id], ['placed 1', STORED]);
  assert.deepEqual(JSON.parse(found[6].data), { module: 'cart', order: 7, password: '[REDACTED]' });
  assert.equal(found[7].message, 'boom');
  assert.match(JSON.parse(found[7].data).err.stack, /^Error: boom/);
  assert.equal(found[8].message, '');
  for (const record of found)
    assert.ok(Math.abs(Date.parse(record.created_at) - Date.now()) < 60_000);
});

test('pino’s seconds are no milliseconds, and its message may have the other name', async (t) => {
  const options = { timestamp: pino.stdTimeFunctions.unixTime, messageKey: 'message' };
  const found = await throughPino(t, options, (log) => {
    log.info('placed');
    log.info({ order: 7 }, 'paid');
  });
  assert.deepEqual(
    found.map(({ message, data }) => [message, data]),
    [
      ['placed', undefined],
      ['paid', '{"order":7}'],
    ],
  );
  for (const record of found)
    assert.ok(Math.abs(Date.parse(record.created_at) - Date.now()) < 60_000);
});

test('five thousand of pino’s records arrive', async (t) => {
  const found = await throughPino(t, {}, (log) => {
    for (let i = 0; i < 5_000; i++) log.info({ i }, 'm');
  });
  assert.equal(new Set(found.map((record) => record.id)).size, 5_000);
});

test('a program with pino that calls process.exit loses nothing', async () => {
  const stream = streamName();
  const program = `
    const pino = require(${JSON.stringify(require.resolve('pino'))});
    const target = 'godot-logs/pino.js';
    const log = pino({ transport: { target, options: { component: 'shop' } } });
    for (let i = 0; i < 1000; i++) log.info('m' + i);
    process.exit(0);`;
  const { code } = await run(program, { server, stream });
  assert.equal(code, 0);
  assert.equal((await account(server, stream)).records, 1_000);
});

test('console is captured, printed as before, and given back', async (t) => {
  const { log, stream } = logger(t, { level: 'TRACE' });
  let printed = '';
  const sink = new Writable({ write: (chunk, _, done) => ((printed += chunk), done()) });
  const target = new Console(sink, sink);
  const restore = godot.captureConsole(log, { console: target });
  target.log('order %d', 7, { a: 1 });
  target.error('failed', new Error('boom'));
  assert.throws(() => target.debug({ [inspect.custom]: () => assert.fail('no') }));
  target.log({ [inspect.custom]: () => (target.log('inner'), 'outer') });
  restore();
  target.log('not captured');
  assert.ok(await log.flush(10_000));
  const found = await read(server, stream);
  assert.deepEqual(
    found.map((record) => record.level),
    ['INFO', 'ERROR', 'DEBUG', 'INFO'],
  );
  assert.equal(found[0].message, 'order 7 { a: 1 }');
  assert.match(JSON.parse(found[1].data).exception, /^Error: boom\n/);
  assert.equal(found[3].message, 'outer');
  assert.match(printed, /order 7 \{ a: 1 \}\nfailed Error: boom/);
  assert.match(printed, /not captured/);
});

test('both module systems share one client', async () => {
  const module = await import('../index.mjs');
  assert.equal(module.ICCMLogger, ICCMLogger);
  assert.equal(module.default, ICCMLogger);
  const { default: _, ...named } = module;
  assert.deepEqual(Object.keys(named).sort(), Object.keys(godot).sort());
});

test('a logger can be disposed of', async (t) => {
  const { log, stream } = logger(t);
  log.info('m');
  await log[Symbol.asyncDispose]();
  assert.deepEqual(await messages(server, stream), ['m']);
});
