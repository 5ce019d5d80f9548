'use strict';
// No server at all, and servers that refuse.
const assert = require('node:assert/strict');
const net = require('node:net');
const { test } = require('node:test');
const { logger, output, printed, recovered, taken } = require('./support/outages.js');
const { Proxy } = require('./support/proxy.js');
const { ownServer, streamName } = require('./support/server.js');
const { account, messages, stopwatch } = require('./support/stream.js');

async function silentServer(t) {
  const sockets = new Set();
  const listener = net.createServer((socket) => sockets.add(socket.on('error', () => {})));
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    sockets.forEach((socket) => socket.destroy());
    listener.close();
  });
  return `redis://127.0.0.1:${listener.address().port}/0?socket_timeout=0.3`;
}

const NO_SERVER = {
  'a port where nobody listens': async () => ['redis://127.0.0.1:1/0', /ECONNREFUSED/],
  'a name that does not resolve': async () => [
    'redis://no-such-host.invalid:6379/0',
    /ENOTFOUND|EAI_AGAIN/,
  ],
  'a socket that is not there': async () => ['unix:///nonexistent/x.sock', /ENOENT/],
  'a server that accepts and never answers': async (t) => [
    await silentServer(t),
    /no answer in time/,
  ],
  'a server that speaks no RESP': async (t) => {
    const answer = (socket) =>
      socket.on('error', () => {}).on('data', () => socket.end('HTTP/1.1 400 Bad\r\n\r\n'));
    const listener = net.createServer(answer);
    await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
    t.after(() => listener.close());
    return [`redis://127.0.0.1:${listener.address().port}/0`, /not RESP: it begins with H/];
  },
  'a server that repeats the password': async (t) => {
    const answer = (socket) =>
      socket.on('error', () => {}).on('data', () => socket.write('-ERR gehäim\r\n'));
    const listener = net.createServer(answer);
    await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
    t.after(() => listener.close());
    return [`redis://:geh%C3%A4im@127.0.0.1:${listener.address().port}/0`, /ERR \[REDACTED\]/];
  },
  'a wrong password': async (t) => {
    const server = await ownServer(t);
    await server.command('CONFIG', 'SET', 'requirepass', 'right');
    return [server.url.replace('unix://', 'unix://:geh%C3%A4im@'), /WRONGPASS/];
  },
  'no password': async (t) => {
    const server = await ownServer(t);
    await server.command('CONFIG', 'SET', 'requirepass', 'right');
    return [server.url, /NOAUTH|HELLO must be called/];
  },
};

for (const [name, make] of Object.entries(NO_SERVER)) {
  test(`without a server everything is printed and nobody waits: ${name}`, async (t) => {
    const [url, reason] = await make(t);
    const out = output(t);
    const log = logger(url, streamName());
    for (let i = 0; i < 30; i++) log.info(`m${i}`);
    const flushing = stopwatch();
    assert.equal(await log.flush(1_500), false);
    assert.ok(flushing() < 4_000);
    await printed(log, 30);
    out.assertOneOutage(false);
    assert.match(out.lines[0], reason);
    assert.ok(!/geh/.test(out.lines[0]));
    assert.deepEqual(
      out.messages,
      Array.from({ length: 30 }, (_, i) => `m${i}`),
    );
    assert.equal(log.stats().outages, 1);
    const closing = stopwatch();
    await log.close();
    assert.ok(closing() < 3_000);
  });
}

const FAULTS = {
  'memory full': [
    (server) => server.command('CONFIG', 'SET', 'maxmemory', '1'),
    (server) => server.command('CONFIG', 'SET', 'maxmemory', '1gb'),
    'OOM',
  ],
  'a read-only replica': [
    (server) => server.command('REPLICAOF', '127.0.0.1', '1'),
    (server) => server.command('REPLICAOF', 'NO', 'ONE'),
    'READONLY',
  ],
  'a wrong type': [
    async (server, stream) => {
      await server.command('RENAME', stream, `${stream}:kept`);
      await server.command('SET', stream, 'x');
    },
    (server, stream) => server.command('RENAME', `${stream}:kept`, stream),
    'WRONGTYPE',
  ],
  'no right': [
    (server) => server.command('ACL', 'SETUSER', 'default', '-xadd'),
    (server) => server.command('ACL', 'SETUSER', 'default', '+xadd'),
    'NOPERM',
  ],
};

for (const [name, [inflict, heal, reason]] of Object.entries(FAULTS)) {
  test(`a server that refuses is an outage until it accepts: ${name}`, async (t) => {
    const [server, stream, out] = [await ownServer(t), streamName(), output(t)];
    const log = logger(server.url, stream, { bufferRecords: 50 });
    log.info('before');
    assert.ok(await log.flush(10_000));
    await inflict(server, stream);
    for (let i = 0; i < 200; i++) {
      log.error(`during ${i}`);
      if (i % 20 === 19) await taken(log);
    }
    await printed(log, 200);
    assert.equal(await log.flush(500), false); // further attempts, further refusals
    await heal(server, stream);
    await recovered(log);
    log.info('after');
    assert.ok(await log.flush(10_000));
    const { records, lost } = await account(server, stream);
    assert.deepEqual([records, lost], [52, 150]);
    const expected = [...Array.from({ length: 50 }, (_, i) => `during ${i + 150}`), 'after'];
    assert.deepEqual((await messages(server, stream)).slice(-51), expected);
    out.assertOneOutage();
    assert.ok(out.lines[0].includes(reason), out.lines[0]);
    assert.deepEqual(
      out.messages,
      Array.from({ length: 200 }, (_, i) => `during ${i}`),
    );
    await log.close();
  });
}

test('a master that became a replica is left for the one that its name leads to', async (t) => {
  const [server, next, stream] = [await ownServer(t), await ownServer(t), streamName()];
  const out = output(t);
  const proxy = await Proxy.before(server);
  t.after(() => proxy.close());
  const log = logger(proxy.patientUrl, stream);
  log.info('before');
  assert.ok(await log.flush(10_000));
  await server.command('REPLICAOF', '127.0.0.1', '1'); // which closes no connection
  proxy.server = next;
  log.info('during');
  assert.ok(await log.flush(10_000));
  assert.deepEqual(await messages(next, stream), ['during']);
  out.assertOneOutage();
  await log.close();
});
