'use strict';
// One sender per thread and destination, to the end of the process.
//
// - A program that has nothing left to do (`beforeExit`) is kept until what it logged is sent,
//   within the flush deadline.
// - `process.exit` and an uncaught exception end the event loop: what was not sent yet is sent by a
//   thread while this one stands still (lastwords.js), or printed.
// - SIGTERM kills at once unless a handler was asked for (`flushOnSigterm`).
// - SIGKILL, `process.abort` and `worker.terminate()` end everything: what was not sent is lost. So
//   does `process.exit` of the main thread for its worker threads.
// - Each worker thread and each cluster worker is a producer of its own.

const { Sender } = require('./sender.js');
const { foundRedisUrl } = require('./settings.js');

const senders = new Map(); // destination as text -> {sender, flushTimeoutMs}
let handlesSigterm = false;

/** Return this thread's sender to the settings' destination; made at the first request. */
function senderFor(settings) {
  const { redisUrl, redisUrlGiven, stream, maxlen, bufferRecords, bufferBytes } = settings;
  const destination = { redisUrl, redisUrlGiven, stream, maxlen, bufferRecords, bufferBytes };
  const key = JSON.stringify(destination);
  let known = senders.get(key);
  if (known === undefined) {
    const lookUp = redisUrlGiven ? null : foundRedisUrl;
    known = { sender: new Sender(destination, lookUp), flushTimeoutMs: 0 };
    senders.set(key, known);
  }
  known.flushTimeoutMs = Math.max(known.flushTimeoutMs, settings.flushTimeoutS * 1_000);
  return known.sender;
}

/** Send what is buffered, within each sender's deadline. */
async function finish() {
  const busy = [...senders.values()].filter(({ sender }) => sender.busy);
  await Promise.all(busy.map(({ sender, flushTimeoutMs }) => sender.finish(flushTimeoutMs)));
}

/** On SIGTERM send what is buffered, then let the signal do what it would have done. */
function flushOnSigterm() {
  if (handlesSigterm) return;
  handlesSigterm = true;
  process.once('SIGTERM', async () => {
    handlesSigterm = false;
    await finish();
    for (const { sender } of senders.values()) sender.printNow();
    // Others that listen decide themselves when the process ends.
    if (!process.listenerCount('SIGTERM')) process.kill(process.pid, 'SIGTERM');
  });
}

process.on('beforeExit', () => {
  for (const { sender, flushTimeoutMs } of senders.values()) {
    if (sender.holds) void sender.finish(flushTimeoutMs);
  }
});

process.on('exit', () => {
  for (const { sender, flushTimeoutMs } of senders.values()) {
    sender.finishNow(flushTimeoutMs);
  }
});

module.exports = { senderFor, flushOnSigterm };
