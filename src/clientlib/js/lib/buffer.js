'use strict';
// The bounded queue between the callers and the sender, and the account of what did not fit.
//
// Above four fifths of either bound only WARN and ERROR get in; above the whole nothing does. A
// refused record is counted by reason at once and gets its number when the sender next looks: the
// numbers are given in the queue's order. Nobody ever waits: a loop that logs without giving the
// event loop a turn fills the queue, and the rest is counted.

const { Fifo } = require('./fifo.js');
const { Level } = require('./record.js');

const BUFFER_FULL = 'buffer_full';
const TOO_LARGE = 'too_large';
const UNREADABLE = 'unreadable';
const SHUTDOWN = 'shutdown';
const MAX_RANGES_KEPT = 1_000;

/** The queue itself. `wake` is called when `wakeAt` records wait. */
class Intake {
  #queue = new Fifo();
  #bytes = 0;
  #refused = new Map();
  #maxRecords;
  #maxBytes;
  #mostRecords; // below WARN
  #mostBytes;

  constructor(maxRecords, maxBytes, wake) {
    this.#maxRecords = maxRecords;
    this.#maxBytes = maxBytes;
    this.#mostRecords = Math.max(1, Math.floor(maxRecords * 0.8));
    this.#mostBytes = maxBytes * 0.8;
    this.wake = wake;
    this.wakeAt = 1; // nobody will look unless woken
    this.taken = 0; // records that left the queue
  }

  get length() {
    return this.#queue.length;
  }

  /** Say whether it is more than half full: a hint to whoever could slow down. */
  get pressed() {
    return this.length * 2 >= this.#maxRecords || this.#bytes * 2 >= this.#maxBytes;
  }

  /** Append a record, or refuse it. */
  put(snapshot) {
    const { size, level } = snapshot;
    const { length } = this.#queue;
    const isMinor = level < Level.WARN;
    if (size > this.#maxBytes) {
      this.refuse(TOO_LARGE);
    } else if (
      length >= (isMinor ? this.#mostRecords : this.#maxRecords) ||
      (length && this.#bytes + size > (isMinor ? this.#mostBytes : this.#maxBytes))
    ) {
      this.refuse(BUFFER_FULL);
    } else {
      this.#queue.push(snapshot);
      this.#bytes += size;
      if (length + 1 >= this.wakeAt) this.wake();
    }
  }

  /** Count a record that did not get in. */
  refuse(reason) {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
    if (this.length + 1 >= this.wakeAt) this.wake();
  }

  /** Return the oldest records, at most `n`: one, or as many as `maxBytes` hold. */
  take(n, maxBytes = Infinity) {
    let count = 0;
    for (let room = maxBytes; count < Math.min(n, this.length); count++) {
      room -= this.#queue.at(count).size;
      if (room < 0 && count) break;
    }
    const taken = this.#queue.take(count);
    for (const { size } of taken) this.#bytes -= size;
    this.taken += taken.length;
    return taken;
  }

  /** Say whether the sender has anything to fetch here. */
  get waiting() {
    return this.length > 0 || this.#refused.size > 0;
  }

  /** Return [reason, how many] refused since the last time. */
  refusals() {
    const found = [...this.#refused];
    this.#refused.clear();
    return found;
  }
}

/** Sequence numbers of records that were dropped, by reason, until a receipt has told. */
class Drops {
  #ranges = new Map();
  totals = {};

  /** How many reasons have something left to tell. */
  get untold() {
    return this.#ranges.size;
  }

  get total() {
    return Object.values(this.totals).reduce((sum, n) => sum + n, 0);
  }

  /** Note a range; `again` when a receipt that named it was itself dropped. */
  add(reason, first, last, again = false) {
    if (!again) this.totals[reason] = (this.totals[reason] ?? 0) + last - first + 1;
    const ranges = this.#ranges.get(reason) ?? [];
    const end = ranges.at(-1);
    if (end && end[1] === first - 1) end[1] = last;
    else ranges.push([first, last]);
    this.#ranges.set(reason, ranges.length > MAX_RANGES_KEPT ? merged(ranges) : ranges);
  }

  /** Remove and return one receipt's worth, lowest numbers first; null when all is told. */
  take(maxRanges) {
    for (const [reason, found] of this.#ranges) {
      const ranges = merged(found);
      const rest = ranges.splice(maxRanges);
      if (rest.length) this.#ranges.set(reason, rest);
      else this.#ranges.delete(reason);
      return { reason, ranges };
    }
    return null;
  }
}

/** Return the same numbers in rising ranges that do not touch. */
function merged(ranges) {
  const found = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const end = found.at(-1);
    if (end && end[1] >= first - 1) end[1] = Math.max(end[1], last);
    else found.push([first, last]);
  }
  return found;
}

module.exports = { Intake, Drops, merged, BUFFER_FULL, TOO_LARGE, UNREADABLE, SHUTDOWN };
