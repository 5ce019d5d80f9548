'use strict';
// Records on their way: packed, numbered, and kept until Redis has answered for each.
//
// In good times it holds one batch. During an outage it holds the newest records, within the two
// bounds of the buffer; the oldest make room and are named in a receipt once Redis is back. A
// record is printed at most once, however often it is sent: those printed are always the oldest, so
// one count tells them apart.

const { BUFFER_FULL } = require('./buffer.js');
const { Fifo } = require('./fifo.js');
const { fieldsOf } = require('./parcel.js');

const MAX_SENT_RECORDS = 1_000;
const MAX_SENT_BYTES = 1_048_576;

class Outbox {
  #waiting = new Fifo();
  #bytes = 0;
  #printed = 0; // how many of the oldest were printed already
  #maxRecords;
  #maxBytes;
  #drops;
  receipts = []; // {parcel, reason, ranges}: what to tell again should the record be lost itself
  spareNumbers = []; // of receipts that were refused

  constructor(maxRecords, maxBytes, drops) {
    this.#maxRecords = maxRecords;
    this.#maxBytes = maxBytes;
    this.#drops = drops;
  }

  get length() {
    return this.#waiting.length;
  }

  get empty() {
    return !this.length && !this.receipts.length;
  }

  /** Say whether there is enough for so many batches: no need to take more from the intake. */
  holds(batches) {
    return (
      this.length >= batches * MAX_SENT_RECORDS || this.#bytes >= batches * MAX_SENT_BYTES
    );
  }

  /** The sequence number of the record that waits longest, or null. */
  get oldest() {
    return this.#waiting.first?.sequence ?? null;
  }

  /** The component of the record that goes next, whose name a receipt before it bears, or null. */
  get nextComponent() {
    return this.length ? fieldsOf(this.#waiting.first).component : null;
  }

  /** Append records; `trim` afterwards, once they had their chance to be printed. */
  add(parcels) {
    for (const parcel of parcels) {
      this.#waiting.push(parcel);
      this.#bytes += parcel.to - parcel.from;
    }
  }

  /** Drop the oldest records until both bounds hold. */
  trim() {
    while (this.length > this.#maxRecords || this.#bytes > this.#maxBytes) {
      this.#dropOldest(BUFFER_FULL);
    }
  }

  /** Drop every record that waits. */
  dropAll(reason) {
    while (this.length) this.#dropOldest(reason);
  }

  /** How many records were not printed yet. */
  get unprinted() {
    return this.length - this.#printed;
  }

  /** The oldest record that was not printed yet, or undefined. */
  get nextToPrint() {
    return this.#waiting.at(this.#printed);
  }

  /** Count that one as printed. */
  notePrinted() {
    this.#printed++;
  }

  /** Return what to send next: receipts first, then the oldest records; nothing is removed. */
  batch() {
    const parcels = this.receipts.map((receipt) => receipt.parcel);
    let bytes = 0;
    for (let i = 0; i < this.length; i++) {
      const parcel = this.#waiting.at(i);
      bytes += parcel.to - parcel.from;
      const full = parcels.length >= MAX_SENT_RECORDS || bytes > MAX_SENT_BYTES;
      if (parcels.length && full) break;
      parcels.push(parcel);
    }
    return parcels;
  }

  /**
   * Remove what was taken of the first `sent`; return how many records that were. `replies` has
   * null for what was taken, a reason for what was refused, and is short when answers are missing.
   *
   * A receipt that was refused is taken apart: what it told is told again, with what was dropped
   * meanwhile. One without an answer may have been stored, so it stays exactly as it is.
   */
  settle(sent, replies) {
    const receipts = this.receipts;
    this.receipts = [];
    receipts.forEach((receipt, i) => {
      if (i >= replies.length) this.receipts.push(receipt);
      else if (replies[i] !== null) this.#tellAgain(receipt);
    });
    const kept = [];
    const printed = this.#printed;
    const records = this.#waiting.take(sent - receipts.length);
    records.forEach((parcel, i) => {
      if (replies[receipts.length + i] !== null) {
        kept.push(parcel);
        return;
      }
      this.#bytes -= parcel.to - parcel.from;
      if (i < printed) this.#printed--;
    });
    this.#waiting.putBack(kept);
    return records.length - kept.length;
  }

  #tellAgain({ parcel, reason, ranges }) {
    for (const [first, last] of ranges) this.#drops.add(reason, first, last, true);
    this.spareNumbers.push(parcel.sequence);
  }

  #dropOldest(reason) {
    const parcel = this.#waiting.shift();
    this.#bytes -= parcel.to - parcel.from;
    this.#printed = Math.max(0, this.#printed - 1);
    this.#drops.add(reason, parcel.sequence, parcel.sequence);
  }
}

module.exports = { Outbox };
