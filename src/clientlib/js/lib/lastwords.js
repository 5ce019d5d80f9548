'use strict';
// What is still said at `process.exit` or after an uncaught exception, when no promise is kept any
// more: a thread of its own talks to Redis while this one stands still.
//
// Only what was not sent yet goes this way, with ids given already, so that what did arrive arrives
// twice and is stored once. The thread takes about 50 ms to start.

const fs = require('node:fs');
const path = require('node:path');
const { MessageChannel, Worker, receiveMessageOnPort } = require('node:worker_threads');

const PAUSE = new Int32Array(new SharedArrayBuffer(4));
const THREAD = 'lastwords-thread.js';
const START_MS = 1_000; // beyond the patience with the server: a busy machine starts threads slowly

/** A world for tasks in which everything blocks; its thread is started when it is needed. */
class LastWords {
  #url;
  #worker = null;
  #port = null;
  #answered = new Int32Array(new SharedArrayBuffer(4));

  constructor(url) {
    this.#url = url;
  }

  pause = standStill;

  /** Like Transport.exchange, but returns when it is done. */
  exchange(packed, count, patienceMs) {
    try {
      this.#start();
      Atomics.store(this.#answered, 0, 0);
      this.#port.postMessage({ packed, count, patienceMs });
      // connecting and each reply may take the patience; the thread keeps to it, this is its limit
      Atomics.wait(this.#answered, 0, 0, 2 * patienceMs + START_MS);
      const found = receiveMessageOnPort(this.#port);
      return found?.message ?? { replies: [], broken: 'no answer in time', silent: true };
    } catch (error) {
      return { replies: [], broken: error.message, silent: false }; // threads may be forbidden
    }
  }

  close() {
    void this.#worker?.terminate();
  }

  #start() {
    if (this.#worker !== null) return;
    const file = path.join(__dirname, THREAD);
    // the thread would say so itself, but only to an event loop
    if (!fs.existsSync(file)) throw new Error(`${THREAD} is missing: bundlers must leave it alone`);
    const { port1, port2 } = new MessageChannel();
    const workerData = { url: this.#url, port: port2, answered: this.#answered };
    this.#worker = new Worker(file, {
      workerData,
      transferList: [port2],
      ...{ execArgv: [], env: {} }, // no loaders, no preloaded modules, no NODE_OPTIONS
    });
    this.#worker.on('error', () => {});
    this.#port = port1;
  }
}

/** Wait without giving the event loop a turn. */
function standStill(ms) {
  if (ms > 0) Atomics.wait(PAUSE, 0, 0, ms);
}

module.exports = { LastWords, standStill };
