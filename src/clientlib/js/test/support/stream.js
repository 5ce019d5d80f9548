'use strict';
// What the tests read back from the server, and the account that must balance.

const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const { parseRecordId } = require('../../index.js');

const POLL_MS = 10;

/** Return the fields of every entry, oldest first. */
async function read(server, stream) {
  const entries = await server.command('XRANGE', stream, '-', '+');
  return entries.map(([, flat]) => fieldsFrom(flat));
}

function fieldsFrom(flat) {
  const found = {};
  for (let i = 0; i < flat.length; i += 2) found[flat[i]] = flat[i + 1];
  return found;
}

/** Return the records' messages; a second arrival, after an answer that was late, is none. */
async function messages(server, stream) {
  const records = await read(server, stream);
  return [...new Map(records.map((record) => [record.id, record.message])).values()];
}

/**
 * Sort every sequence number of the stream by what became of it, and require that every number from
 * 1 to the highest is in the stream or named in a receipt, never both. Returns `{records, lost,
 * receipts, entries, producers}`: without receipts and second arrivals.
 */
async function account(server, stream) {
  const producers = new Map();
  const seen = new Map();
  let receipts = 0;
  const entries = await read(server, stream);
  for (const record of entries) {
    const who = parseRecordId(record.id);
    assert.ok(who, record.id);
    if (!producers.has(who.producer))
      producers.set(who.producer, { stored: new Set(), dropped: new Set() });
    const { stored, dropped } = producers.get(who.producer);
    const key = `${who.producer}-${who.sequence}`;
    const isFirst = !seen.has(key);
    assert.equal(seen.get(key) ?? record.id, record.id, 'one number, two ids');
    seen.set(key, record.id);
    stored.add(who.sequence);
    const notes = JSON.parse(record.data ?? '{}').godot ?? {};
    if (notes.dropped === undefined) continue;
    assert.equal(record.level, 'WARN');
    assert.equal(record.message, 'records dropped');
    if (isFirst) receipts++;
    let named = 0;
    for (const [first, last] of notes.ranges) {
      for (let n = first; n <= last; n++, named++) dropped.add(n);
    }
    assert.equal(named, notes.dropped);
  }
  let lost = 0;
  for (const { stored, dropped } of producers.values()) {
    const highest = Math.max(...stored, ...dropped);
    for (let n = 1; n <= highest; n++) {
      assert.equal(Number(stored.has(n)) + Number(dropped.has(n)), 1, `number ${n} of ${highest}`);
    }
    lost += dropped.size;
  }
  return {
    records: seen.size - receipts,
    lost,
    receipts,
    entries: entries.length,
    producers: producers.size,
  };
}

/**
 * Wait for something to become true. Its own pauses are counted, not the clock: while the machine
 * lets this process stand still, what is waited for stands still, too.
 */
async function until(condition, timeoutMs = 20_000) {
  for (let waitedMs = 0; !(await condition()); waitedMs += POLL_MS) {
    assert.ok(waitedMs < timeoutMs, `it did not happen in time: ${condition}`);
    await sleep(POLL_MS);
  }
}

/** Begin to count time as `until` does; return a function that ends it and returns the ms. */
function stopwatch() {
  let ms = 0;
  const timer = setInterval(() => (ms += POLL_MS), POLL_MS);
  return () => {
    clearInterval(timer);
    return ms;
  };
}

module.exports = { read, messages, account, until, stopwatch };
