'use strict';
// What the server and a socket allow at best: the same commands as in load.js, packed beforehand,
// and their replies only counted. What stands below it is this client's to answer for.

const { once } = require('node:events');
const net = require('node:net');
const { performance } = require('node:perf_hooks');
const { encode } = require('../lib/encoding.js');
const { Framer, Source, snapshotOf } = require('../lib/framing.js');
const { buffersOf } = require('../lib/parcel.js');
const { STANDARD } = require('../lib/redaction.js');
const { readUrl } = require('../lib/url.js');
const { dataOf, TRACE } = require('./calls.js');

const RECORDS = 100_000;
const BATCH = 1_000;
const UNDER_WAY = 2; // batches: the server never waits
const REPLY = '$'.charCodeAt(0);

/** Return batches of packed commands, BATCH in each. */
function packed(stream) {
  const framer = new Framer(stream, 100_000);
  const source = new Source('bench', STANDARD);
  return Array.from({ length: RECORDS / BATCH }, (_, batch) => {
    const snapshots = Array.from({ length: BATCH }, (_, i) => {
      const data = encode(dataOf(batch * BATCH + i));
      const now = performance.now();
      return snapshotOf(20, now, source, null, TRACE, 'order accepted', data, null, null);
    });
    return Buffer.concat(buffersOf(framer.frame(snapshots, 1, batch * BATCH + 1)));
  });
}

/** Send them as fast as they are taken; return `{records, rate, cpuUs}`. */
async function ceiling(url) {
  const batches = packed(`ceiling-${process.pid}`);
  const { socket: options } = readUrl(url);
  const socket = net.connect({ noDelay: true, ...options });
  await once(socket, 'connect');
  const cpu = process.cpuUsage();
  const start = performance.now();
  let sent = 0;
  let answered = 0;
  const fill = () => {
    while (sent < batches.length && sent - answered / BATCH < UNDER_WAY) socket.write(batches[sent++]);
  };
  fill();
  socket.on('data', (bytes) => {
    for (let at = -1; (at = bytes.indexOf(REPLY, at + 1)) !== -1;) answered++;
    fill();
    if (answered === RECORDS) socket.destroy();
  });
  await once(socket, 'close');
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { records: RECORDS, rate: RECORDS / seconds, cpuUs: (user + system) / RECORDS };
}

module.exports = { ceiling };
