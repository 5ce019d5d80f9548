'use strict';
// Levels set from outside, as `godot level` does, in running programs.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { ICCMLogger } = require('../index.js');
const { Levels } = require('../lib/levels.js');
const { Transport } = require('../lib/transport.js');
const { Watch } = require('../lib/watch.js');
const { Proxy } = require('./support/proxy.js');
const { ownServer, sharedServer, streamName } = require('./support/server.js');
const { until } = require('./support/stream.js');

const server = sharedServer();

function logger(t, options = {}) {
  const stream = streamName();
  const log = new ICCMLogger({ component: 'shop', redisUrl: server.url, stream, ...options });
  t.after(() => log.close());
  return { log, stream };
}

test('a level set from outside wins over the logger’s own, and the component’s over all', () => {
  const levels = new Levels();
  const [shop, other] = ['shop', 'other'].map((name) => levels.gate(name, 20, true));
  const off = levels.gate('shop', 20, false);
  const seen = () => [shop.level, other.level, off.level];
  levels.push([
    ['*', 'ERROR'],
    ['shop', 'debug'],
  ]);
  assert.deepEqual(seen(), [10, 40, 1_000]);
  shop.set(30);
  assert.deepEqual(seen(), [10, 40, 1_000]);
  levels.push([
    ['*', 'LOUD'],
    ['other', '5'],
    ['x', ''],
  ]);
  assert.deepEqual(seen(), [30, 20, 1_000]);
});

test('a level that expires returns by itself', async () => {
  const levels = new Levels();
  const gate = levels.gate('shop', 20, true);
  const now = Date.now();
  levels.push([
    ['shop', `DEBUG ${now - 1}`],
    ['*', `ERROR ${now + 600_000}`],
  ]);
  assert.equal(gate.level, 40);
  levels.push([['*', `ERROR ${Date.now() + 60}`]]);
  await until(() => gate.level === 20);
});

test('a gate whose logger is gone is forgotten', async () => {
  const levels = new Levels();
  levels.push([['a', 'DEBUG']]);
  let gate = levels.gate('a', 20, true);
  const ref = new WeakRef(gate);
  gate = null;
  require('node:v8').setFlagsFromString('--expose-gc');
  const gc = require('node:vm').runInNewContext('gc');
  for (let i = 0; i < 20 && ref.deref(); i++) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
  assert.equal(ref.deref(), undefined);
  levels.push([]); // and pushing goes on without it
});

/** Set or take away a level as `godot level` does: the hash, then the channel. */
async function push(on, stream, component, value) {
  if (value === null) await on.command('HDEL', `${stream}:levels`, component);
  else await on.command('HSET', `${stream}:levels`, component, value);
  await on.command('PUBLISH', `${stream}:levels`, component);
}

test('a level set from outside reaches a program that logs nothing in 2 s', async (t) => {
  const { log, stream } = logger(t, { level: 'ERROR' });
  const child = log.bind({ a: 1 });
  await until(async () => (await server.command('PUBSUB', 'NUMSUB', `${stream}:levels`))[1] === 1);
  await push(server, stream, 'shop', 'DEBUG');
  await until(() => log.isEnabled('DEBUG') && child.isEnabled('DEBUG'), 2_000);
  await push(server, stream, '*', 'WARN');
  await push(server, stream, 'shop', null);
  await until(() => !log.isEnabled('INFO') && log.isEnabled('WARN'));
  await push(server, stream, '*', `TRACE ${Date.now() + 600_000}`);
  await until(() => log.isEnabled('TRACE'));
  await push(server, stream, '*', `TRACE ${Date.now() - 1}`);
  await until(() => !log.isEnabled('WARN')); // expired: the logger's own level again
  assert.equal(log.stats().state, 'idle');
});

test('levels are read again when the connection was lost', async (t) => {
  const own = await ownServer(t);
  const { log, stream } = logger(t, { redisUrl: own.url });
  const read = /cmdstat_hgetall:calls=/; // after it has subscribed
  await until(async () => read.test(await own.command('INFO', 'commandstats')));
  await own.command('HSET', `${stream}:levels`, 'shop', 'TRACE'); // and nobody is told
  assert.equal(log.isEnabled('TRACE'), false);
  await own.stop();
  await own.start();
  await until(() => log.isEnabled('TRACE'), 10_000);
});

test('where the server may not tell, it is asked', async (t) => {
  const own = await ownServer(t);
  await own.command('ACL', 'SETUSER', 'default', '-subscribe', '-hello');
  const { log, stream } = logger(t, { redisUrl: own.url });
  log.info('m');
  assert.ok(await log.flush(10_000));
  await own.command('HSET', `${stream}:levels`, 'shop', 'TRACE');
  await until(() => log.isEnabled('TRACE'));
});

/** Watch the levels of one stream, asking often. */
async function watched(t, url) {
  const [levels, stream] = [new Levels(), streamName()];
  const transport = new Transport(url, {
    onReady: () => watch.read(),
    onClosed: () => watch.lost(),
  });
  const watch = new Watch(stream, transport, levels, 20);
  t.after(() => (watch.stop(), transport.close()));
  const gate = levels.gate('shop', 20, true);
  watch.start();
  await until(async () => (await server.command('PUBSUB', 'NUMSUB', `${stream}:levels`))[1] === 1);
  return { gate, stream, transport };
}

test('word that was lost is noticed all the same', async (t) => {
  const { gate, stream } = await watched(t, server.url);
  await server.command('HSET', `${stream}:levels`, 'shop', 'TRACE'); // and nobody is told
  await until(() => gate.level === 5);
});

test('an idle connection that leads nowhere is made anew', async (t) => {
  const proxy = await Proxy.before(server);
  t.after(() => proxy.close());
  const { gate, stream, transport } = await watched(t, proxy.hastyUrl);
  proxy.stall = true;
  await until(() => !transport.connected);
  proxy.stall = false; // what was held is gone for good
  await server.command('HSET', `${stream}:levels`, 'shop', 'TRACE');
  await until(() => gate.level === 5);
});

test('a client that was closed forgets what was set, and learns it when it is used again', async (t) => {
  const { log, stream } = logger(t);
  await server.command('HSET', `${stream}:levels`, 'shop', 'TRACE');
  await until(() => log.isEnabled('TRACE'));
  await log.close();
  assert.equal(log.isEnabled('TRACE'), false);
  log.info('again');
  assert.ok(await log.flush(10_000));
  await until(() => log.isEnabled('TRACE'));
});

test('a logger that is closed takes nothing from the others', async (t) => {
  const { log, stream } = logger(t, { level: 'ERROR' });
  const other = new ICCMLogger({ component: 'other', redisUrl: server.url, stream });
  await server.command('HSET', `${stream}:levels`, 'shop', 'TRACE');
  await until(() => log.isEnabled('TRACE'));
  other.info('m');
  await other.close();
  assert.equal(other.stats().sent, 1);
  assert.ok(log.isEnabled('TRACE'));
  await push(server, stream, 'shop', 'WARN');
  await until(() => !log.isEnabled('INFO') && log.isEnabled('WARN'));
  await log.close();
  assert.equal(log.isEnabled('WARN'), false);
});
