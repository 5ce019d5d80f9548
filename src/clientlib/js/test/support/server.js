'use strict';
// A real Valkey of the test file's own, from the same wheel as everywhere else, on a unix socket.

const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, before } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { createClient } = require('@redis/client');

const PYTHON = path.resolve(__dirname, '../../../../../.venv/bin/python');
const WHERE = 'from godot.embedded.valkey import binary; print(binary())';

for (const name of Object.keys(process.env)) {
  // a developer's own settings must not reach the tests
  if (/^(GODOT_|LOGGING_)/.test(name)) delete process.env[name];
}
process.env.GODOT_DATA_DIR = path.join(os.tmpdir(), 'godot-nothing-runs-here');

let binary;

class Server {
  constructor() {
    binary ??= execFileSync(PYTHON, ['-c', WHERE], { encoding: 'utf8' }).trim();
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'godot-test-'));
    this.socket = path.join(this.folder, 'valkey.sock');
    this.url = `unix://${this.socket}?db=0`;
  }

  async start() {
    const options = {
      ...{ port: 0, unixsocket: this.socket, dir: this.folder, save: '', daemonize: 'no' },
      ...{ maxmemory: '1gb', 'maxmemory-policy': 'noeviction' },
      // what was written survives a stop; a slow disk must not make the server stand still
      ...{ appendonly: 'yes', appendfsync: 'no' },
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    this.child = spawn(binary, args, { stdio: 'ignore' });
    while (!(await answers(this.socket))) await sleep(10);
    return this;
  }

  async stop(signal = 'SIGTERM') {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await once(this.child, 'exit');
  }

  /** Send one command on a connection of its own. */
  async command(...parts) {
    const client = createClient({ socket: { path: this.socket }, RESP: 2, ...this.credentials });
    client.on('error', () => {});
    await client.connect();
    try {
      return await client.sendCommand(parts.map(String));
    } finally {
      client.destroy();
    }
  }

  remove() {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Ask PING by hand: while it loads its file the server answers, but not with PONG. */
function answers(socket) {
  return new Promise((resolve) => {
    const peer = net.connect(socket);
    peer.setTimeout(1_000, () => peer.destroy());
    peer.on('error', () => resolve(false));
    peer.on('close', () => resolve(false));
    peer.once('data', (data) => {
      resolve(data.toString().startsWith('+PONG'));
      peer.destroy();
    });
    peer.write('PING\r\n');
  });
}

/** Run a server for all tests of a file. */
function sharedServer() {
  const server = new Server();
  before(() => server.start());
  after(async () => {
    await server.stop();
    server.remove();
  });
  return server;
}

/** Run a server for one test, which may stop and start it. */
async function ownServer(t) {
  const server = await new Server().start();
  t.after(async () => {
    await server.stop('SIGKILL');
    server.remove();
  });
  return server;
}

let streams = 0;

/** Return a stream key that no other test uses. */
function streamName() {
  return `t-${process.pid}-${++streams}`;
}

module.exports = { Server, sharedServer, ownServer, streamName };
