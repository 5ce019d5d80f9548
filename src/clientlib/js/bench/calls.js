'use strict';
// What a call costs its caller: this client beside pino and winston, in turns, in one process.
//
// Machines flip between fast and slow states, so every repeat is bracketed by a fixed loop and
// given twice: as the clock showed it, and scaled to the fastest round of that loop in this run.
// The making of the data is subtracted. Peers write to /dev/null; this client's records are
// delivered between the repeats, so its figure is the caller's share.

const fs = require('node:fs');
const pino = require('pino');
const winston = require('winston');
const { ICCMLogger } = require('../index.js');

const REPEATS = 40;
const CALLS = 2_000; // fewer than half the buffer: the caller's cost is measured, not the sender's
const TRACE = '0af76519-16cd-43dd-8448-eb211c80319c';
const KEYS = ['password', 'token', 'api_key', 'authorization', 'secret'];

const dataOf = (i) => ({
  order_id: i,
  user: 'alice',
  amount: 99.5,
  ctx: { ip: '10.0.0.1', ok: true },
});

/** Return nanoseconds for one round of a fixed piece of JavaScript right now. */
function fixedRoundNs(rounds = 50_000) {
  const table = new Map(Array.from({ length: 64 }, (_, i) => [i, 1]));
  let value = 0;
  const start = process.hrtime.bigint();
  for (let i = 0; i < rounds; i++) value = ((value + table.get(i & 63) * 31) ^ i) & 0xffff;
  return Number(process.hrtime.bigint() - start) / rounds + value * 0;
}

/** Return the contestants: name -> {call(i), settle()}. */
function contestants(server) {
  const log = new ICCMLogger({ component: 'bench', redisUrl: server.url, stream: 'calls' });
  const nowhere = () => pino.destination('/dev/null');
  const paths = KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);
  const plain = pino({}, nowhere());
  const redacting = pino({ redact: paths }, nowhere());
  const others = winston.createLogger({
    format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
    transports: [new winston.transports.Stream({ stream: fs.createWriteStream('/dev/null') })],
  });
  const withTrace = (i) => ({ ...dataOf(i), traceId: TRACE });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return {
    empty: { call: (i) => dataOf(i), settle: turn },
    ours: {
      call: (i) => log.info('order accepted', dataOf(i), TRACE),
      settle: () => log.flush(60_000),
    },
    disabled: { call: (i) => log.debug('order accepted', dataOf(i), TRACE), settle: turn },
    pino: { call: (i) => plain.info(withTrace(i), 'order accepted'), settle: turn },
    'pino, redact': { call: (i) => redacting.info(withTrace(i), 'order accepted'), settle: turn },
    winston: { call: (i) => others.info('order accepted', withTrace(i)), settle: turn },
    log,
  };
}

/**
 * Return `{fastest, costs}`: the fixed loop's fastest round, and name -> {raw, scaled}: nanoseconds a
 * call, medians, without the making of the data.
 */
async function measure(server) {
  const { log, ...all } = contestants(server);
  const found = Object.fromEntries(Object.keys(all).map((name) => [name, []]));
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    for (const [name, { call, settle }] of Object.entries(all)) {
      await settle();
      const before = fixedRoundNs();
      const start = process.hrtime.bigint();
      for (let i = 0; i < CALLS; i++) call(i);
      const ns = Number(process.hrtime.bigint() - start) / CALLS;
      found[name].push({ ns, round: (before + fixedRoundNs()) / 2 });
    }
  }
  const fastest = Math.min(
    ...Object.values(found).flatMap((list) => list.map(({ round }) => round)),
  );
  const costs = {};
  for (const [name, list] of Object.entries(found)) {
    const warm = list.slice(REPEATS / 4);
    costs[name] = {
      raw: median(warm.map(({ ns }) => ns)),
      scaled: median(warm.map(({ ns, round }) => (ns * fastest) / round)),
    };
  }
  await log.close();
  const net = (name) => ({
    raw: costs[name].raw - costs.empty.raw,
    scaled: costs[name].scaled - costs.empty.scaled,
  });
  const names = Object.keys(costs).filter((name) => name !== 'empty');
  return { fastest, costs: Object.fromEntries(names.map((name) => [name, net(name)])) };
}

function median(list) {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
}

module.exports = { measure, dataOf, fixedRoundNs, TRACE };
