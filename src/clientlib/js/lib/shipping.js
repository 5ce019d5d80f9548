'use strict';
// Delivery of packed records, through good times and outages; used by the sender alone.
//
// Every command's answer is read. Sending again is safe for XADD because a record keeps its id and
// bytes, and for HSET because it only says the latest state. It goes on as long as the process
// lives. The methods that wait are tasks (tasks.js).

const { performance } = require('node:perf_hooks');
const { Announcement } = require('./announce.js');
const { Drops, SHUTDOWN } = require('./buffer.js');
const { Outage, Printer, say } = require('./fallback.js');
const { Source } = require('./framing.js');
const { Outbox } = require('./outbox.js');
const { buffersOf } = require('./parcel.js');
const { STANDARD } = require('./redaction.js');
const { command } = require('./resp.js');

const MAX_RANGES = 500; // in one receipt: about 12 KB
const PING = command(['PING']);

/** The outbox and the way from it to the stream. `place` is called for the server's address. */
class Shipping {
  drops = new Drops();
  outage = new Outage();
  printer = new Printer();
  sent = 0;
  #producer;
  #framer;
  #place;
  #announcement;
  #unlisted = false; // the producers hash is refused, and that was told
  #highestSent = 0;

  constructor(destination, producer, framer, place) {
    this.outbox = new Outbox(destination.bufferRecords, destination.bufferBytes, this.drops);
    this.#producer = producer;
    this.#framer = framer;
    this.#place = place;
    this.#announcement = new Announcement(destination.stream);
  }

  /** Say whether anything waits to be sent or told. */
  get busy() {
    return !this.outbox.empty || this.drops.untold > 0;
  }

  /** Take records over; during an outage they are printed at once. */
  *add(parcels) {
    this.outbox.add(parcels);
    if (this.outage.lasts) yield* this.#printAndTrim();
  }

  /** Send what goes next; false when not all of it was taken. */
  *deliver(component, patienceMs, hurried) {
    const reason = yield* this.#attempt(component, patienceMs);
    if (reason !== null) {
      this.outage.failed(this.#place(), reason, hurried);
      yield* this.#printAndTrim();
      return false;
    }
    this.outage.over(
      this.#place(),
      `${this.printer.printed} printed on stdout so far, ${this.outbox.length} still to send, ` +
        `${this.drops.total} dropped`,
    );
    return true;
  }

  /** End with the process: print what is not sent, and say in the stream what is missing. */
  *giveUp(component, patienceMs) {
    const undelivered = this.outbox.length;
    yield* this.printLast();
    this.outbox.dropAll(SHUTDOWN);
    if (this.outage.lasts) return;
    yield* this.deliver(component, patienceMs, true);
    if (undelivered) say(`ended with ${undelivered} records not sent in time; they are on stdout`);
  }

  /** How many records should be on stdout and are not yet. */
  get unprinted() {
    return this.printer.begun + (this.outage.lasts ? this.outbox.unprinted : 0);
  }

  /** Print what was not printed yet, and say what stdout does not take even now. */
  *printLast() {
    this.printer.bePatient();
    yield* this.printer.print(this.outbox);
    const lost = this.printer.begun + this.outbox.unprinted;
    if (lost) say(`ended with ${lost} records neither sent nor printed: stdout does not take them`);
  }

  /** Return null when everything was taken, else the reason. */
  *#attempt(component, patienceMs) {
    if (this.outage.lasts) {
      // Ask first: a receipt is only worth a number when someone may take it.
      const { replies, broken } = yield (world) => world.exchange([PING], 1, patienceMs);
      if (broken || replies[0]) return broken ?? replies[0];
    }
    this.#writeReceipts(component);
    const parcels = this.outbox.batch();
    for (const { sequence } of parcels) this.#highestSent = Math.max(this.#highestSent, sequence);
    const listing = this.#announcement.command(
      this.#producer.hex,
      this.#highestSent,
      component,
      this.drops.total,
    );
    const packed = [...buffersOf(parcels), listing];
    const count = parcels.length + 1;
    const { replies, broken } = yield (world) => world.exchange(packed, count, patienceMs);
    this.sent += this.outbox.settle(parcels.length, replies);
    const refused = replies.slice(0, parcels.length).find((reply) => reply !== null);
    if (refused !== undefined) return refused;
    if (replies.length < Math.max(1, parcels.length)) return broken ?? 'no reply';
    if (broken === null && replies.at(-1) !== null && !this.#unlisted) {
      this.#unlisted = true;
      say(`${this.#announcement.key} cannot be written: ${replies.at(-1)}`);
    }
    return null;
  }

  #writeReceipts(component) {
    for (let told; (told = this.drops.take(MAX_RANGES)) !== null;) {
      const { reason, ranges } = told;
      const sequence = this.outbox.spareNumbers.pop() ?? this.#producer.claim();
      const dropped = ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
      const source = new Source(this.outbox.nextComponent ?? component, STANDARD);
      const now = performance.now();
      const notes = { dropped, ranges, reason };
      const parcel = this.#framer.receipt(source, now, this.#producer.number, sequence, notes);
      this.outbox.receipts.push({ parcel, reason, ranges });
    }
  }

  *#printAndTrim() {
    yield* this.printer.print(this.outbox);
    this.outbox.trim();
  }
}

module.exports = { Shipping };
