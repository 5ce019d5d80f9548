'use strict';
// Servers and connections that go away and come back.
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const { test } = require('node:test');
const { setImmediate: turn, setTimeout: sleep } = require('node:timers/promises');
const { ICCMLogger } = require('../index.js');
const { command } = require('../lib/resp.js');
const { Transport } = require('../lib/transport.js');
const { NOTICE, logger, output, printed, recovered, taken } = require('./support/outages.js');
const { Proxy } = require('./support/proxy.js');
const { ownServer, streamName } = require('./support/server.js');
const { account, messages, read, until } = require('./support/stream.js');

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
  await until(() => log.stats().waiting === 100); // trimmed a turn after the last was printed
  assert.equal(log.stats().state, 'outage');
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

async function proxied(t) {
  const server = await ownServer(t);
  const proxy = await Proxy.before(server);
  t.after(() => proxy.close());
  return { server, proxy, stream: streamName() };
}

test('lost answers make second arrivals with the same ids', async (t) => {
  const { server, proxy, stream } = await proxied(t);
  const out = output(t);
  const log = logger(proxy.hastyUrl, stream);
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
  const log = logger(proxy.hastyUrl, stream);
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

// A program that waits until a key is there, and longer than anybody waits for an answer here.
const LOOK = `
  const [, socket, key] = process.argv;
  const look = () => peer.write('EXISTS ' + key + '\\r\\n');
  const peer = require('node:net').connect(socket, look);
  peer.on('data', (data) => (String(data) === ':1\\r\\n' ? setTimeout(() => peer.destroy(), 400) : look()));
`;

test('an answer that came while the program stood still is not missing', async (t) => {
  const [server, key] = [await ownServer(t), streamName()];
  const transport = new Transport(`${server.url}&socket_timeout=0.3`);
  t.after(() => transport.close());
  await until(() => transport.connect());
  const answers = transport.exchange([command(['XADD', key, '*', 'message', 'm'])], 1);
  await turn(); // it is sent
  execFileSync(process.execPath, ['-e', LOOK, server.socket, key]);
  assert.deepEqual(await answers, { replies: [null], broken: null, silent: false });
});

test('a connection cut again and again loses nothing', async (t) => {
  const { server, proxy, stream } = await proxied(t);
  output(t);
  const log = logger(proxy.patientUrl, stream);
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
  const log = logger(proxy.patientUrl, stream);
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
  await until(() => log.stats().waiting <= 50); // trimmed a turn after the last was printed
  assert.ok(log.stats().waiting >= 40, `${log.stats().waiting}`);
  await server.start();
  await recovered(log);
  assert.ok(await log.flush(10_000));
  const { records, lost } = await account(server, stream);
  assert.equal(records + lost, 201);
  await log.close();
});

test('no more than two batches are packed while the server takes its time', async (t) => {
  const { server, proxy, stream } = await proxied(t);
  const log = logger(proxy.patientUrl, stream);
  log.info('before');
  assert.ok(await log.flush(10_000));
  proxy.stall = true;
  for (let i = 0; i < 1_200; i++) log.info(`${i} ${'x'.repeat(20_000)}`);
  await until(() => log.stats().waiting > 0);
  await sleep(200);
  const { waiting, queued } = log.stats();
  // 2 MiB, and beyond them what one turn packs: 1 MiB and a chunk
  assert.ok(waiting <= 160 && waiting + queued === 1_200, `${waiting} of ${queued}`);
  proxy.heal();
  assert.ok(await log.flush(20_000));
  assert.deepEqual((await account(server, stream)).records, 1_201);
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

test('a bug in the sender is told without what it was about and loses nothing', async (t) => {
  const [server, stream, out] = [await ownServer(t), streamName(), output(t)];
  const unhandled = t.mock.fn();
  process.on('unhandledRejection', unhandled);
  t.after(() => process.off('unhandledRejection', unhandled));
  const { exchange } = Transport.prototype;
  Transport.prototype.exchange = async () => {
    Transport.prototype.exchange = exchange;
    throw new TypeError('hunter2');
  };
  const log = logger(server.url, stream);
  log.info('m');
  assert.ok(await log.flush(10_000));
  assert.deepEqual(await messages(server, stream), ['m']);
  const [line] = out.lines;
  assert.match(line, /goes on after TypeError at \S+outage\.test\.js:\d+ \(this is a bug\)/);
  assert.equal(out.lines.length, 1);
  assert.equal(unhandled.mock.callCount(), 0);
  await log.close();
});
