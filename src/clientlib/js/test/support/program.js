'use strict';
// Programs in processes of their own: how a client behaves at the end can only be seen there.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');

const PACKAGE = path.resolve(__dirname, '../..');

/** A program's text that logs 500 records and ends. */
const LOG_500 = `
  const { ICCMLogger } = require('godot-logs');
  const log = new ICCMLogger();
  for (let i = 0; i < 500; i++) log.info('m' + i, { i });
`;

/**
 * Run a program's text; `godot-logs` in it is this package, and it runs from a file when `file`
 * names one. `act` is called with the child while it runs. Returns `{code, signal, out, err, ms}`:
 * exit code, signal, lines of stdout and stderr, how long it took.
 */
async function run(code, options = {}) {
  const { server, stream, url = server?.url, env = {}, file, stdout = 'pipe', act } = options;
  const program = code.replaceAll('godot-logs', PACKAGE);
  if (file) fs.writeFileSync(file, program);
  const child = spawn(process.execPath, file ? [file] : ['-e', program], {
    env: {
      ...process.env,
      ...{ GODOT_REDIS_URL: url, GODOT_STREAM: stream, GODOT_COMPONENT: 'program', ...env },
    },
    stdio: ['ignore', stdout, 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  const started = Date.now();
  const texts = { stdout: '', stderr: '' };
  for (const name of Object.keys(texts)) {
    child[name]?.setEncoding('utf8').on('data', (text) => (texts[name] += text));
  }
  const closed = once(child, 'close');
  await act?.(child, texts);
  const [exitCode, signal] = await closed;
  const lines = (text) => text.split('\n').filter(Boolean);
  const ms = Date.now() - started;
  return { code: exitCode, signal, out: lines(texts.stdout), err: lines(texts.stderr), ms };
}

module.exports = { run, LOG_500, PACKAGE };
