'use strict';
// The thread of lastwords.js: one exchange for each message.

const { workerData } = require('node:worker_threads');
const { Transport } = require('./transport.js');

const { url, port, answered } = workerData;
const transport = new Transport(url);

port.on('message', async ({ packed, count, patienceMs }) => {
  port.postMessage(await transport.exchange(packed, count, patienceMs));
  Atomics.store(answered, 0, 1);
  Atomics.notify(answered, 0);
});
