'use strict';
// How the client behaves under load, each in a process of its own: `node load.js NAME URL`.

const { monitorEventLoopDelay, performance } = require('node:perf_hooks');
const { setImmediate: turn, setTimeout: sleep } = require('node:timers/promises');
const { ICCMLogger } = require('../index.js');
const pino = require('pino');
const { dataOf, fixedRoundNs, TRACE } = require('./calls.js');
const { ceiling } = require('./ceiling.js');

const SUSTAINED = Number(process.env.SUSTAINED ?? 300_000);
const SLICE = 50;
const PACED_PER_S = 20_000;
const PACED_S = 10;
const OUTAGE_PER_S = 10_000;
const OUTAGE_S = Number(process.env.OUTAGE_S ?? 60);

function logger(url, stream) {
  return new ICCMLogger({ component: 'bench', redisUrl: url, stream });
}

/** Log as fast as one process can, giving turns, until the last record is in the stream. */
async function sustained(url) {
  const log = logger(url, `sustained-${process.pid}`);
  log.info('first');
  await log.flush(30_000);
  for (let i = 0; i < 20; i++) fixedRoundNs(); // compiled by now
  const before = fixedRoundNs();
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < SUSTAINED; i += SLICE) {
    for (let j = i; j < i + SLICE; j++) log.info('order accepted', dataOf(j), TRACE);
    await turn();
    while (log.pressed) await sleep(1);
  }
  const delivered = await log.flush(60_000);
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const { dropped, sent } = log.stats();
  if (!delivered || sent !== SUSTAINED + 1)
    throw new Error(`sent ${sent}: ${JSON.stringify(dropped)}`);
  return {
    rate: SUSTAINED / seconds,
    cpuUs: (user + system) / SUSTAINED,
    roundNs: (before + fixedRoundNs()) / 2,
    rssMb: process.resourceUsage().maxRSS / 1_024,
  };
}

/** Log at a rate; `watch` is called each second. Returns the records logged. */
async function paced(log, perS, seconds, watch = () => {}) {
  const start = performance.now();
  let logged = 0;
  let nextS = 1;
  while (logged < perS * seconds) {
    const due = Math.min(perS * seconds, Math.floor(((performance.now() - start) / 1_000) * perS));
    while (logged < due) log.info('order accepted', dataOf(logged++), TRACE);
    if (logged >= perS * nextS) watch(nextS++);
    await sleep(1);
  }
  return logged;
}

/** Return the delay of the event loop at a steady rate, ms: nobody, pino and this client. */
async function delay(url) {
  const log = logger(url, `delay-${process.pid}`);
  log.info('first');
  await log.flush(30_000);
  const peer = pino({}, pino.destination('/dev/null'));
  const asPino = { info: (message, data, traceId) => peer.info({ ...data, traceId }, message) };
  const nobody = { info: () => {} };
  const found = {};
  for (const [name, target] of [
    ['idle', nobody],
    ['pino', asPino],
    ['ours', log],
  ]) {
    await paced(target, PACED_PER_S, 1);
    const watch = monitorEventLoopDelay({ resolution: 1 });
    watch.enable();
    await paced(target, PACED_PER_S, PACED_S);
    watch.disable();
    found[name] = { p50: watch.percentile(50) / 1e6, p99: watch.percentile(99) / 1e6 };
  }
  await log.flush(30_000);
  return { ...found, dropped: log.stats().dropped.buffer_full ?? 0 };
}

/** Log at a rate with a server that is away; return memory in MB as it went. */
async function outage() {
  const log = logger('redis://127.0.0.1:1/0', 'outage');
  log.info('first');
  await log.flush(1_000);
  await paced(log, OUTAGE_PER_S, 3); // the buffer is full from here on
  const rssMb = [];
  const watch = monitorEventLoopDelay({ resolution: 1 });
  watch.enable();
  const logged = await paced(log, OUTAGE_PER_S, OUTAGE_S, () => {
    rssMb.push(process.memoryUsage.rss() / 2 ** 20);
  });
  const { waiting, printed } = log.stats();
  return {
    logged,
    waiting,
    printed,
    rssMb,
    delayMs: watch.percentile(99) / 1e6,
    endsAt: Date.now(),
  };
}

if (require.main === module) {
  const [name, url] = process.argv.slice(2);
  void { sustained, ceiling, delay, outage }
    [name](url)
    .then((found) => process.send(found, () => process.disconnect()));
}
