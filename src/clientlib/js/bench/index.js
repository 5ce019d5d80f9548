'use strict';
// `make bench-client-js`: every figure from one run, one JSON line and one readable line each.

const { execFileSync, fork } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { measure } = require('./calls.js');
const { pack } = require('../pack.js');
const { Server } = require('../test/support/server.js');

const RUNS = 3;

function tell(what, value, unit, more = {}) {
  console.log(JSON.stringify({ what, value, unit, ...more }));
  console.log(`  ${what}: ${value.toLocaleString('en')} ${unit}`);
}

/** Run a part of load.js in a process of its own, with nobody reading its stdout. */
async function load(name, url = '') {
  const child = fork(path.join(__dirname, 'load.js'), [name, url], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let found = null;
  child.on('message', (message) => (found = message));
  await once(child, 'exit');
  if (found === null) throw new Error(`${name} failed`);
  return { ...found, exitMs: Date.now() - (found.endsAt ?? Date.now()) };
}

const round = (value, digits = 0) => Number(value.toFixed(digits));
const middle = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/** Return the CPU time that the server took so far, in µs. */
async function serverCpuUs(server) {
  const found = [...(await server.command('INFO', 'cpu')).matchAll(/^used_cpu_(?:sys|user):(.*)$/gm)];
  return found.reduce((sum, [, seconds]) => sum + Number(seconds) * 1e6, 0);
}

/** Return what `npm pack` says about the package as it is published. */
async function packed() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'godot-bench-'));
  await pack(folder);
  const options = { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] };
  const [found] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json'], options));
  fs.rmSync(folder, { recursive: true });
  return found;
}

async function main() {
  const server = await new Server().start();
  try {
    await server.command('CONFIG', 'SET', 'appendfsync', 'everysec'); // as everywhere else
    const { fastest, costs } = await measure(server);
    for (const [name, { raw, scaled }] of Object.entries(costs)) {
      const target = { ours: '1500 ns', disabled: '100 ns' }[name];
      tell(`a call: ${name}`, round(raw), 'ns', { scaled: round(scaled), target });
    }
    for (const peer of ['pino', 'pino, redact', 'winston']) {
      const target = peer === 'pino' ? 'at least 2' : undefined;
      tell(`${peer} / ours`, round(costs[peer].scaled / costs.ours.scaled, 1), 'times', { target });
    }
    const { idle, pino, ours, dropped } = await load('delay', server.url);
    tell('event loop delay at 20,000/s, p99', round(ours.p99, 2), 'ms', {
      ...{
        p50: round(ours.p50, 2),
        without: round(idle.p99, 2),
        pino: round(pino.p99, 2),
        dropped,
        target: 'at most 5 ms',
      },
    });
    const runs = [];
    const ceilings = [];
    for (let i = 0; i < RUNS; i++) {
      const before = await serverCpuUs(server);
      const found = await load('ceiling', server.url);
      const serverUs = ((await serverCpuUs(server)) - before) / found.records;
      ceilings.push({ ...found, serverUs });
      runs.push(await load('sustained', server.url));
    }
    tell(
      'the same commands packed before, as fast as the server takes them',
      round(middle(ceilings.map(({ rate }) => rate))),
      'records/s',
      {
        cpuUs: round(middle(ceilings.map(({ cpuUs }) => cpuUs)), 2),
        serverCpuUs: round(middle(ceilings.map(({ serverUs }) => serverUs)), 2),
      },
    );
    tell(
      'one process into the stream, sustained',
      round(middle(runs.map(({ rate }) => rate))),
      'records/s',
      {
        best: round(Math.max(...runs.map(({ rate }) => rate))),
        scaled: round(middle(runs.map(({ rate, roundNs }) => (rate * roundNs) / fastest))),
        target: 'at least 100,000/s',
      },
    );
    tell(
      'CPU per delivered record, caller and sender',
      round(middle(runs.map(({ cpuUs }) => cpuUs)), 2),
      'µs',
      { scaled: round(middle(runs.map(({ cpuUs, roundNs }) => (cpuUs * fastest) / roundNs)), 2) },
    );
    tell('memory, sustained', round(middle(runs.map(({ rssMb }) => rssMb))), 'MB');
  } finally {
    await server.stop();
    server.remove();
  }
  const { rssMb, logged, waiting, printed, delayMs, exitMs } = await load('outage');
  const half = rssMb.length >> 1;
  tell(
    'memory growth through an outage at 10,000/s',
    round(Math.max(...rssMb) - rssMb[0], 1),
    'MB',
    {
      ...{ seconds: rssMb.length, first: round(rssMb[0]), most: round(Math.max(...rssMb)) },
      secondHalf: round(Math.max(...rssMb.slice(half)) - Math.max(...rssMb.slice(0, half)), 1),
      ...{ logged, waiting, printed, delayP99Ms: round(delayMs, 2), target: 'bounded' },
    },
  );
  tell('exit with the server away', exitMs, 'ms', { target: 'the deadline of 2 s and 0.5 s' });
  const { unpackedSize, entryCount } = await packed();
  tell('the package, unpacked, without its dependency', round(unpackedSize / 1_000, 1), 'kB', {
    ...{ files: entryCount, target: 'at most 60 kB' },
  });
}

void main();
