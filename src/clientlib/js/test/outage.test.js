'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { ICCMLogger } = require('../index.js');
const { Proxy } = require('./support/proxy.js');
const { ownServer, streamName } = require('./support/server.js');
const { account, messages, read, until } = require('./support/stream.js');

const WARNING = 'does not take records';
const NOTICE = 'takes records again';

/** Collect what the client writes to stdout and stderr itself, past process.stdout. */
function output(t) {
  const texts = { 1: '', 2: '' };
  const { writeSync } = fs;
  t.mock.method(fs, 'writeSync', (fd, data, ...rest) => {
    if (!(fd in texts)) return writeSync(fd, data, ...rest);
    texts[fd] += data;
    return Buffer.byteLength(data);
  });
  const linesOf = (fd) => texts[fd].split('\n').filter(Boolean);
  return {
    get lines() {
      return linesOf(2);
    },
    get records() {
      return linesOf(1).map((line) => JSON.parse(line));
    },
    get messages() {
      return this.records.map((record) => record.message);
    },
    assertOneOutage(recovered = true) {
      assert.equal(this.lines.length, 1 + Number(recovered), texts[2]);
      assert.ok(this.lines[0].includes(WARNING));
      assert.ok(!recovered || this.lines[1].includes(NOTICE));
    },
  };
}

function logger(url, stream, options = {}) {
  return new ICCMLogger({
    component: 'api',
    redisUrl: url,
    stream,
    level: 'TRACE',
    flushTimeoutS: 1,
    ...options,
  });
}

const taken = (log) => until(() => log.stats().queued === 0);
const printed = (log, n) => until(() => log.stats().printed === n);
const recovered = (log) => until(() => log.stats().state === 'delivering' && !log.stats().waiting);

test('a stopped server costs nothing that is not named', async (t) => {
  const [server, stream, out] = [await ownServer(t), streamName(), output(t)];
  const log = logger(server.url, stream, { bufferRecords: 100 });
  for (let i = 0; i < 50; i++) log.info(`before ${i}`);
  assert.ok(await log.flush(10_000));
  await server.stop();
  for (let i = 0; i < 500; i++) {
    log.warn(`during ${i}`, { password: 'hunter2' });
    if (i % 50 === 49) await taken(log);
  }
  await printed(log, 500);
  assert.equal(log.stats().state, 'outage');
  assert.equal(log.stats().waiting, 100);
  await server.start();
  await recovered(log);
  log.info('after');
  assert.ok(await log.flush(10_000));
  const { records, lost, receipts } = await account(server, stream);
  assert.deepEqual([records, lost, receipts], [151, 400, 1]);
  assert.deepEqual((await messages(server, stream)).slice(50), [
    'records dropped',
    ...Array.from({ length: 100 }, (_, i) => `during ${i + 400}`),
    'after',
  ]);
  const [, listed] = await server.command('HGETALL', `${stream}:producers`);
  assert.deepEqual([listed.split(' ')[0], listed.split(' ').at(-1)], ['552', '400']);
  out.assertOneOutage();
  assert.deepEqual(
    out.messages,
    Array.from({ length: 500 }, (_, i) => `during ${i}`),
  );
  assert.deepEqual(out.records[0].data, { password: '[REDACTED]' });
  assert.ok(!JSON.stringify(out.records).includes('hunter2'));
  await log.close();
});

test('a receipt bears the name of the record that follows', async (t) => {
  const [server, stream] = [await ownServer(t), streamName(), output(t)];
  const log = logger(server.url, stream, { bufferRecords: 5 });
  const other = logger(server.url, stream, { bufferRecords: 5, component: 'other' });
  log.info('first');
  assert.ok(await log.flush(10_000));
  await server.stop();
  for (let i = 0; i < 20; i++) {
    other.warn(`m${i}`);
    await taken(log);
  }
  await server.start();
  await recovered(log);
  const found = (await read(server, stream)).map(({ component, message }) => [component, message]);
  assert.deepEqual(found.slice(1, 3), [
    ['other', 'records dropped'],
    ['other', 'm15'],
  ]);
  await log.close();
});

test('short outages one after the other are told each', async (t) => {
  const [server, stream, out] = [await ownServer(t), streamName(), output(t)];
  const log = logger(server.url, stream);
  for (let outage = 0; outage < 3; outage++) {
    log.info(`up ${outage}`);
    assert.ok(await log.flush(10_000));
    await server.stop();
    log.info(`down ${outage}`);
    await printed(log, outage + 1);
    await server.start();
    assert.ok(await log.flush(10_000));
  }
  const { records, lost } = await account(server, stream);
  assert.deepEqual([records, lost], [6, 0]);
  assert.deepEqual(out.messages, ['down 0', 'down 1', 'down 2']);
  assert.deepEqual(
    out.lines.map((line) => line.includes(NOTICE)),
    [false, true, false, true, false, true],
  );
  await log.close();
});

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
    const listener = net.createServer((socket) =>
      socket.on('error', () => {}).end('HTTP/1.1 400 Bad\r\n\r\n'),
    );
    await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
    t.after(() => listener.close());
    return [`redis://127.0.0.1:${listener.address().port}/0`, /RESP|Unknown|closed/];
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
    const start = Date.now();
    assert.equal(await log.flush(1_500), false);
    assert.ok(Date.now() - start < 4_000);
    await printed(log, 30);
    out.assertOneOutage(false);
    assert.match(out.lines[0], reason);
    assert.ok(!/geh/.test(out.lines[0]));
    assert.deepEqual(
      out.messages,
      Array.from({ length: 30 }, (_, i) => `m${i}`),
    );
    assert.equal(log.stats().outages, 1);
    const closing = Date.now();
    await log.close();
    assert.ok(Date.now() - closing < 3_000);
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

async function proxied(t) {
  const server = await ownServer(t);
  const proxy = await Proxy.before(server);
  t.after(() => proxy.close());
  return { server, proxy, stream: streamName() };
}

test('lost answers make second arrivals with the same ids', async (t) => {
  const { server, proxy, stream } = await proxied(t);
  const out = output(t);
  const log = logger(proxy.url, stream);
  log.info('before');
  assert.ok(await log.flush(10_000));
  proxy.swallowReplies = true;
  for (let i = 0; i < 100; i++) log.info(`during ${i}`);
  await printed(log, 100);
  proxy.heal();
  proxy.cut();
  assert.ok(await log.flush(20_000));
  const { records, lost, entries } = await account(server, stream);
  assert.deepEqual([records, lost], [101, 0]);
  assert.ok(entries > 101); // the server took them before, too
  out.assertOneOutage();
  await log.close();
});

test('a half-open connection is given up and made anew', async (t) => {
  const { server, proxy, stream } = await proxied(t);
  const out = output(t);
  const log = logger(proxy.url, stream);
  log.info('before');
  assert.ok(await log.flush(10_000));
  proxy.stall = true;
  log.info('during');
  await printed(log, 1);
  proxy.heal();
  assert.ok(await log.flush(20_000));
  const { records, lost } = await account(server, stream);
  assert.deepEqual([records, lost], [2, 0]);
  out.assertOneOutage();
  await log.close();
});

test('a connection cut again and again loses nothing', async (t) => {
  const { server, proxy, stream } = await proxied(t);
  output(t);
  const log = logger(proxy.url, stream);
  for (let i = 0; i < 2_000; i++) {
    log.info(`m${i}`);
    if (i % 100 === 0) {
      proxy.cut();
      await until(() => log.stats().queued < 1_000);
      await sleep(10);
    }
  }
  assert.ok(await log.flush(20_000));
  const { records, lost } = await account(server, stream);
  assert.deepEqual([records, lost], [2_000, 0]);
  await log.close();
});

test('an idle connection that was closed is no outage', async (t) => {
  const [server, stream, out] = [await ownServer(t), streamName(), output(t)];
  const log = logger(server.url, stream);
  for (let i = 0; i < 4; i++) {
    log.info(`m${i}`);
    assert.ok(await log.flush(10_000));
    await server.command('CLIENT', 'KILL', 'SKIPME', 'yes', 'TYPE', 'normal');
  }
  assert.deepEqual(await messages(server, stream), ['m0', 'm1', 'm2', 'm3']);
  assert.deepEqual([out.records, out.lines, log.stats().outages], [[], [], 0]);
  await log.close();
});

test('a connection lost in the moment of sending is no outage', async (t) => {
  const { server, proxy, stream } = await proxied(t);
  const out = output(t);
  const log = logger(proxy.url, stream);
  for (let i = 0; i < 5; i++) {
    log.info(`m${i}`);
    const answer = log.flush(10_000); // sends in this turn, before the end of the last one is seen
    assert.ok(await answer);
    proxy.cut();
  }
  assert.deepEqual((await account(server, stream)).records, 5);
  assert.deepEqual([out.records, out.lines, log.stats().outages], [[], [], 0]);
  await log.close();
});

test('bytes bound what is kept', async (t) => {
  const [server, stream] = [await ownServer(t), streamName(), output(t)];
  const log = logger(server.url, stream, { bufferBytes: 1_000_000 });
  log.info('before');
  assert.ok(await log.flush(10_000));
  await server.stop();
  for (let i = 0; i < 200; i++) {
    log.warn(`${i} ${'x'.repeat(20_000)}`);
    if (i % 20 === 19) await taken(log);
  }
  await printed(log, 200);
  assert.ok(log.stats().waiting >= 40 && log.stats().waiting <= 50, `${log.stats().waiting}`);
  await server.start();
  await recovered(log);
  assert.ok(await log.flush(10_000));
  const { records, lost } = await account(server, stream);
  assert.equal(records + lost, 201);
  await log.close();
});

test('a program finds a stack that was started after it', async (t) => {
  const [server, stream] = [await ownServer(t), streamName(), output(t)];
  const folder = fs.mkdtempSync(`${server.folder}-data-`);
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const before = process.env.GODOT_DATA_DIR;
  process.env.GODOT_DATA_DIR = folder;
  t.after(() => (process.env.GODOT_DATA_DIR = before));
  const log = new ICCMLogger({ component: 'api', stream, level: 'TRACE', flushTimeoutS: 1 });
  log.info('early');
  await printed(log, 1);
  fs.writeFileSync(`${folder}/endpoint.json`, JSON.stringify({ redis_url: server.url }));
  assert.ok(await log.flush(20_000));
  assert.deepEqual(await messages(server, stream), ['early']);
  await log.close();
});
