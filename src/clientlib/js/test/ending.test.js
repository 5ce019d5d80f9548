'use strict';
// Programs that end while the server is away or their time is short: what is printed and named.
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { LOG_500, run } = require('./support/program.js');
const { sharedServer, streamName } = require('./support/server.js');
const { account, read, until } = require('./support/stream.js');

const server = sharedServer();
const HARD_ENDS = ['', 'process.exit(0)', 'throw new Error("boom")'];

for (const end of HARD_ENDS) {
  test(`without a server a program ends in time and prints all: ${end || 'normal end'}`, async () => {
    const { out, err, ms } = await run(LOG_500 + end, {
      url: 'redis://127.0.0.1:1/0',
      env: { GODOT_FLUSH_TIMEOUT_S: '30' },
    });
    assert.deepEqual(
      out.map((line) => JSON.parse(line).data.i),
      Array.from({ length: 500 }, (_, i) => i),
    );
    assert.equal(err.filter((line) => line.startsWith('godot: ')).length, 1, err.join('\n'));
    assert.ok(ms < 20_000, `${ms}`); // nobody waits for the deadline
  });

  test(`with a silent server a program ends in time, prints all: ${end || 'normal end'}`, async (t) => {
    const listener = net.createServer((socket) => socket.on('error', () => {}));
    await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
    t.after(() => listener.close());
    const url = `redis://127.0.0.1:${listener.address().port}/0`;
    const { out, err, ms } = await run(LOG_500 + end, { url, env: { GODOT_FLUSH_TIMEOUT_S: '2' } });
    assert.equal(out.length, 500);
    assert.equal(err.filter((line) => line.startsWith('godot: ')).length, 1, err.join('\n'));
    assert.ok(ms < 8_000, `${ms}`);
  });
}

test('what the deadline leaves behind is printed and named', async () => {
  const program = `
    const log = new (require('godot-logs').ICCMLogger)();
    log.info('first');
    log.flush(10000).then(() => {
      for (let i = 0; i < 7000; i++) log.info('m' + i);
    });`;
  // On a busy machine the server may be so fast that nothing is left, or so slow that the last words
  // have not enough of their 200 ms: then nothing is named.
  let [stream, done, named] = [];
  for (let attempt = 0; !named && attempt < 20; attempt++) {
    stream = streamName();
    done = await run(program, { server, stream, env: { GODOT_FLUSH_TIMEOUT_S: '0' } });
    named = done.err.length === 1 && /ended with (\d+) records not sent in time/.exec(done.err[0]);
  }
  const { records, lost } = await account(server, stream);
  assert.equal(records + lost, 7_001); // far more than are packed ahead
  assert.ok(lost > 0);
  assert.deepEqual([done.out.length, Number(named?.[1])], [lost, lost]);
  const receipts = (await read(server, stream)).filter(
    ({ message }) => message === 'records dropped',
  );
  assert.deepEqual(
    receipts.map(({ data }) => JSON.parse(data).godot.reason),
    ['shutdown'],
  );
});

/** Return a pipe as a program's stdout, and what reads from it: `{stdout, take()}`. */
function pipe(t) {
  const name = path.join(server.folder, `pipe-${streamName()}`);
  execFileSync('mkfifo', [name]);
  const stdout = fs.openSync(name, 'r+');
  const reader = fs.openSync(name, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  t.after(() => [stdout, reader].forEach((fd) => fs.closeSync(fd)));
  const bytes = Buffer.alloc(65_536);
  let text = '';
  return {
    stdout,
    /** Read what is there, up to what a pipe holds. */
    take() {
      try {
        text += bytes.toString('latin1', 0, fs.readSync(reader, bytes));
      } catch {
        // nothing there
      }
    },
    /** Return the messages of the lines read so far, and of what is still there. */
    messages() {
      for (let i = 0; i < 20; i++) this.take();
      const lines = text.split('\n').filter(Boolean);
      return lines.map((line) => JSON.parse(line).message);
    },
  };
}

const NOWHERE = 'redis://127.0.0.1:1/0';

for (const end of ['', 'process.exit(0)', 'process.kill(process.pid)']) {
  test(`a pipe that nobody reads does not hold a program up: ${end || 'normal end'}`, async (t) => {
    const unread = pipe(t);
    const program = `
      const log = new (require('godot-logs').ICCMLogger)({ flushOnSigterm: true });
      for (let i = 0; i < 5000; i++) log.info('x'.repeat(500));
      const { monitorEventLoopDelay } = require('node:perf_hooks');
      const delay = monitorEventLoopDelay({ resolution: 5 });
      delay.enable();
      const told = setInterval(() => {
        if (log.stats().state !== 'outage') return;
        clearInterval(told);
        setTimeout(() => {
          require('node:fs').writeSync(2, String(delay.max / 1e6) + '\\n');
          ${end}
        }, 800);
      }, 5);`;
    const { code, signal, ms, err } = await run(program, { url: NOWHERE, stdout: unread.stdout });
    assert.deepEqual([code, signal], end.includes('kill') ? [null, 'SIGTERM'] : [0, null]);
    assert.ok(ms < 20_000, `${ms}`);
    const [, stoodStillMs, last] = err;
    // where it waits for a reader it does so for ever
    assert.ok(Number(stoodStillMs) < 5_000, `the event loop stood still for ${stoodStillMs} ms`);
    const [, lost] = /ended with (\d+) records neither sent nor printed/.exec(last);
    assert.equal(unread.messages().length + Number(lost), 5_000);
    assert.equal(err.length, 3, err.join('\n'));
  });
}

for (const [name, end] of [
  ['normal end', ''],
  ['process.exit(0)', 'process.exit(0)'],
  ['from half a second on', 'setTimeout(() => {}, 1500)'],
]) {
  test(`a pipe that is read slowly gets every line: ${name}`, async (t) => {
    const slow = pipe(t);
    let timer;
    const act = async (child, texts) => {
      if (name.includes('second')) {
        await until(() => texts.stderr.includes('does not take records'));
        await sleep(500); // longer than stdout is waited for
      }
      timer = setInterval(() => slow.take(), 20);
    };
    const program = `
      const log = new (require('godot-logs').ICCMLogger)();
      for (let i = 0; i < 3000; i++) log.info('m' + i, { text: 'x'.repeat(400) });
      ${end}`;
    const { code, err } = await run(program, { url: NOWHERE, stdout: slow.stdout, act });
    clearInterval(timer);
    assert.deepEqual([code, err.length], [0, 1], err.join('\n'));
    assert.deepEqual(
      slow.messages(),
      Array.from({ length: 3_000 }, (_, i) => `m${i}`),
    );
  });
}
