'use strict';
// Programs in processes of their own: how a client behaves at the end can only be seen there.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { stopwatch } = require('./stream.js');

const PACKAGE = path.resolve(__dirname, '../..');

/** A program's text that logs 500 records and ends. */
const LOG_500 = `
  const { ICCMLogger } = require('godot-logs');
  const log = new ICCMLogger();
  for (let i = 0; i < 500; i++) log.info('m' + i, { i });
`;

/**
 * Run a program's text; `godot-logs` in it is this package, and it runs from a file when `file`
 * names one. `act` is called with the child and its `{stderr}` while it runs. Its stdout is a file,
 * unless given: a pipe that is full while we are not given the processor would be one that nobody
 * reads. Returns `{code, signal, out, err, ms}`: exit code, signal, lines of stdout and stderr, how
 * long it took.
 */
async function run(code, options = {}) {
  const { server, stream, url = server?.url, env = {}, file, stdout, act } = options;
  const program = code.replaceAll('godot-logs', PACKAGE);
  if (file) fs.writeFileSync(file, program);
  const printed = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'godot-test-')), 'stdout');
  const out = stdout ?? fs.openSync(printed, 'a');
  const child = spawn(process.execPath, file ? [file] : ['-e', program], {
    env: {
      ...process.env,
      ...{ GODOT_REDIS_URL: url, GODOT_STREAM: stream, GODOT_COMPONENT: 'program', ...env },
    },
    stdio: ['ignore', out, 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  const running = stopwatch();
  const texts = { stderr: '' };
  child.stderr.setEncoding('utf8').on('data', (text) => (texts.stderr += text));
  const closed = once(child, 'close');
  await act?.(child, texts);
  const [exitCode, signal] = await closed;
  const ms = running();
  const lines = (text) => text.split('\n').filter(Boolean);
  const result = { code: exitCode, signal, out: [], err: lines(texts.stderr), ms };
  if (stdout === undefined) {
    fs.closeSync(out);
    result.out = lines(fs.readFileSync(printed, 'utf8'));
  }
  fs.rmSync(path.dirname(printed), { recursive: true });
  return result;
}

module.exports = { run, LOG_500, PACKAGE };
