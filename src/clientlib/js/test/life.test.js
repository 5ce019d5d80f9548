'use strict';
// Programs from their first record to their end, while the server is there.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const programs = require('./support/program.js');
const { ownServer, sharedServer, streamName } = require('./support/server.js');
const { account, messages, until } = require('./support/stream.js');

const server = sharedServer();
const { LOG_500 } = programs;

/**
 * Run a program with all the time it takes: none of them is about the deadline (ending.test.js is),
 * and a busy machine may need seconds to start the thread that sends the rest.
 */
function run(code, options) {
  return programs.run(code, { ...options, env: { GODOT_FLUSH_TIMEOUT_S: '30', ...options.env } });
}

const ENDS = {
  'nothing left to do': ['', 0],
  'process.exit': ['process.exit(3)', 3],
  'process.exit in a promise': ['Promise.resolve().then(() => process.exit(4))', 4],
  'process.exit while a batch is under way': ['setTimeout(() => process.exit(5), 25)', 5],
  'an uncaught exception': ['throw new Error("boom")', 1],
  'an unhandled rejection': ['Promise.reject(new Error("boom"))', 1],
  'process.exitCode': ['process.exitCode = 6', 6],
  'a last word in a hook': ['process.on("exit", () => log.info("last"))', 0],
};

for (const [name, [end, exitCode]] of Object.entries(ENDS)) {
  test(`a program that ends at once loses nothing: ${name}`, async () => {
    const stream = streamName();
    const { code, out } = await run(LOG_500 + end, { server, stream });
    assert.equal(code, exitCode);
    assert.deepEqual(out, []);
    const { records, lost } = await account(server, stream);
    // what an exit hook logs after ours is too late for the stream
    assert.deepEqual([records, lost], [500, 0]);
  });
}

test('what an exit hook logs before ours arrives', async () => {
  const stream = streamName();
  const program = `
    let log;
    process.on('exit', () => log.info('in the hook'));
    log = new (require('godot-logs').ICCMLogger)();
    log.info('main');`;
  assert.equal((await run(program, { server, stream })).code, 0);
  assert.deepEqual(await messages(server, stream), ['main', 'in the hook']);
});

test('a program that awaits its flush ends by itself, and close ends it too', async () => {
  const stream = streamName();
  const program = `
    import('godot-logs/index.mjs').then(async ({ ICCMLogger }) => {
      const log = new ICCMLogger();
      log.info('m');
      if (!(await log.flush())) process.exit(9);
      log.info('n');
      await log.close();
    });`;
  const { code, err, ms } = await run(program, { server, stream });
  assert.deepEqual([code, err], [0, []]);
  assert.ok(ms < 10_000);
  assert.deepEqual(await messages(server, stream), ['m', 'n']);
});

test('a connected client keeps no program alive', async () => {
  const stream = streamName();
  const program = `
    const log = new (require('godot-logs').ICCMLogger)();
    log.info('m');
    setTimeout(() => {}, 300);`;
  const { code, ms } = await run(program, { server, stream });
  assert.equal(code, 0);
  assert.ok(ms < 5_000, `${ms}`);
});

test('SIGTERM kills at once unless a handler was asked for', async () => {
  const untilReady = (child, texts) =>
    until(() => texts.stderr.includes('ready')).then(() => child.kill('SIGTERM'));
  const logs = (options) => `
    const log = new (require('godot-logs').ICCMLogger)(${options});
    setInterval(() => {}, 1000);
    for (let i = 0; i < 500; i++) log.info('m' + i);
    require('node:fs').writeSync(2, 'ready');
    const until = Date.now() + 500;
    while (Date.now() < until); // the signal comes before anything is sent`;
  const [plain, asked] = [streamName(), streamName()];
  const first = await run(logs('{}'), { server, stream: plain, act: untilReady });
  assert.equal(first.signal, 'SIGTERM');
  const second = await run(logs('{ flushOnSigterm: true }'), {
    server,
    stream: asked,
    act: untilReady,
  });
  assert.equal(second.signal, 'SIGTERM');
  assert.equal((await account(server, asked)).records, 500);
});

test('a program’s own handler of SIGTERM decides when it ends', async () => {
  const stream = streamName();
  const program = `
    let asked = 0;
    process.on('SIGTERM', () => {
      if (++asked > 1) process.exit(8);
      setTimeout(() => { log.info('served'); process.exit(7); }, 300);
    });
    const log = new (require('godot-logs').ICCMLogger)({ flushOnSigterm: true });
    setInterval(() => {}, 1000);
    process.stderr.write('ready');`;
  const act = (child, texts) =>
    until(() => texts.stderr.includes('ready')).then(() => child.kill('SIGTERM'));
  const { code } = await run(program, { server, stream, act });
  assert.equal(code, 7);
  assert.deepEqual(await messages(server, stream), ['served']);
});

test('a program whose stdout and stderr are closed logs all the same', async () => {
  const stream = streamName();
  const program = `require('node:fs').closeSync(1); require('node:fs').closeSync(2); ${LOG_500}`;
  const { code } = await run(program, { server, stream });
  assert.equal(code, 0);
  assert.equal((await account(server, stream)).records, 500);
});

test('wrong variables do not stop a program', async () => {
  const stream = streamName();
  const env = {
    GODOT_LEVEL: 'LOUD',
    GODOT_BUFFER_RECORDS: 'many',
    GODOT_REDACT_FIELDS: ',,',
    GODOT_FLUSH_TIMEOUT_S: 'soon',
  };
  const { code, err } = await run(LOG_500, { server, stream, env });
  assert.equal(code, 0);
  assert.deepEqual(
    err.map((line) => line.split('=')[0]),
    [...['godot: GODOT_LEVEL', 'godot: GODOT_BUFFER_RECORDS', 'godot: GODOT_FLUSH_TIMEOUT_S']],
  );
  assert.equal((await account(server, stream)).records, 500);
});

test('a disabled client loads nothing and connects to nothing', async () => {
  const stream = streamName();
  const program = `${LOG_500}
    const loaded = Object.keys(require.cache).filter((file) => file.includes('@redis'));
    if (loaded.length || process.getActiveResourcesInfo().length > 1) process.exit(9);
    setTimeout(async () => { await log.flush(); await log.close(); }, 200);`;
  const { code } = await run(program, { server, stream, env: { LOGGING_ENABLED: 'false' } });
  assert.equal(code, 0);
  assert.equal(await server.command('EXISTS', stream), 0);
});

test('of node-redis only the socket is loaded', async () => {
  const program = `
    const log = new (require('godot-logs').ICCMLogger)();
    const count = () => Object.keys(require.cache).filter((file) => file.includes('@redis')).length;
    if (count()) process.exit(8);
    log.info('m');
    log.flush(10000).then(() => process.exit(count() > 0 && count() < 15 ? 0 : 9));`;
  assert.equal((await run(program, { server, stream: streamName() })).code, 0);
});

test('worker threads are producers of their own and lose nothing', async () => {
  const stream = streamName();
  const program = `
    const { Worker, isMainThread } = require('node:worker_threads');
    const { ICCMLogger } = require('godot-logs');
    const log = new ICCMLogger();
    const body = (end) => 'const log = new (require("godot-logs").ICCMLogger)();' +
      'for (let i = 0; i < 500; i++) log.info("w" + i);' + end;
    for (const end of ['', 'process.exit(0)', 'throw new Error("boom")']) {
      const worker = new Worker(body(end), { eval: true });
      worker.on('error', () => {});
    }
    for (let i = 0; i < 500; i++) log.info('m' + i);`;
  const { code } = await run(program, { server, stream });
  assert.equal(code, 0);
  const { records, lost, producers } = await account(server, stream);
  assert.deepEqual([records, lost, producers], [2_000, 0, 4]);
});

test('cluster workers are producers of their own and lose nothing', async () => {
  const stream = streamName();
  const program = `
    const cluster = require('node:cluster');
    const { ICCMLogger } = require('godot-logs');
    const log = new ICCMLogger();
    for (let i = 0; i < 300; i++) log.info((cluster.isPrimary ? 'p' : 'w') + i);
    if (cluster.isPrimary) for (let i = 0; i < 3; i++) cluster.fork();
    else process.disconnect();`;
  const file = path.join(server.folder, 'cluster.js');
  const { code, err } = await run(program, { server, stream, file });
  assert.deepEqual([code, err], [0, []]);
  const { records, lost, producers } = await account(server, stream);
  assert.deepEqual([records, lost, producers], [1_200, 0, 4]);
});

test('the thread at the end loads nothing of the program’s', async () => {
  const stream = streamName();
  const preloaded = path.join(server.folder, 'preloaded.js');
  fs.writeFileSync(
    preloaded,
    `if (!require('node:worker_threads').isMainThread) require('node:fs').writeSync(2, 'loaded');`,
  );
  const env = { NODE_OPTIONS: `--require ${preloaded}` };
  const { err } = await run(`${LOG_500} process.exit(0)`, { server, stream, env });
  assert.deepEqual(err, []);
  assert.equal((await account(server, stream)).records, 500);
});

test('threads may be forbidden: then the rest is printed', async () => {
  const stream = streamName();
  const program = `
    require('node:worker_threads').Worker = function () { throw new Error('no'); };
    ${LOG_500} process.exit(0)`;
  const { code, out } = await run(program, { server, stream });
  assert.equal(code, 0);
  assert.equal(out.length, 500);
});

test('a server that comes back while a program runs gets what waits', async (t) => {
  const own = await ownServer(t);
  const stream = streamName();
  await own.stop();
  const program = `${LOG_500}
    let told = false;
    const timer = setInterval(() => {
      const { printed, waiting } = log.stats();
      if (printed === 500 && !told) told = process.stderr.write('ready') || true;
      if (told && !waiting) clearInterval(timer);
    }, 20);`;
  const act = async (child, texts) => {
    await until(() => texts.stderr.includes('ready'));
    await own.start();
  };
  const { code, out } = await run(program, { server: own, stream, act });
  assert.equal(code, 0);
  assert.equal(out.length, 500);
  assert.equal((await account(own, stream)).records, 500);
});
