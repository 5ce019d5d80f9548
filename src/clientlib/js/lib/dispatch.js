'use strict';
// What the sender does in one step: take records, number and pack them, send, answer who waits.
//
// Kept apart from the loop that repeats it (sender.js), because at the end of a process it is done
// standing still: what waits is a task (tasks.js), and nothing here starts, sleeps or wakes.

const { performance } = require('node:perf_hooks');
const { Marks } = require('./flush.js');
const { Framer } = require('./framing.js');
const { Producer } = require('./identity.js');
const { Packer } = require('./packer.js');
const { Shipping } = require('./shipping.js');
const { pause } = require('./tasks.js');

const MAX_TAKEN = 500;
const FAILURES_AT_EXIT = 2;
const AGAIN_MS = 100; // after a failure at exit
const LEAST_PATIENCE_MS = 200; // for the last words of a process
const UNNAMED = '-';

/** The way of one sender's records from the queue to the stream. */
class Dispatch {
  producer = new Producer();
  marks = new Marks();
  component = UNNAMED;
  deadline = null; // what is not sent by then is given up
  #intake;
  #framer;
  #packer;
  #hurried = false; // one attempt at once for a caller who waits
  #givenUpAt = 0; // up to this number nobody waits for delivery any more: it was tried and printed

  /** `place` is called for the server's address. */
  constructor(destination, intake, place) {
    this.#intake = intake;
    this.#framer = new Framer(destination.stream, destination.maxlen);
    this.shipping = new Shipping(destination, this.producer, this.#framer, place);
    this.#packer = new Packer(intake, this.producer, this.#framer, this.shipping.drops);
  }

  /** Learn who logs: the first one names this producer. */
  greet({ component }) {
    if (this.component === UNNAMED) this.component = component;
  }

  /** Say whether there is anything to send, tell or answer. */
  get busy() {
    return this.#intake.waiting || this.shipping.busy || this.marks.size > 0;
  }

  /** Say whether there are records that the end of the process should wait for. */
  get holds() {
    const isNew = this.producer.last > this.#givenUpAt;
    return this.#intake.waiting || (isNew && !this.shipping.outbox.empty);
  }

  /** How long the server may take for its next step. */
  get patienceMs() {
    if (this.deadline === null) return Infinity;
    return Math.max(LEAST_PATIENCE_MS, (this.deadline - performance.now()) / 2);
  }

  /** Return a promise for whether everything logged so far arrives in time (flush.js). */
  mark(timeoutMs, maxFailures) {
    const takenBefore = this.#intake.length + this.#intake.taken;
    return this.marks.add(takenBefore, this.shipping.drops.total, timeoutMs, maxFailures);
  }

  /** Let nobody wait for what was numbered so far. */
  forgo() {
    this.#givenUpAt = this.producer.last;
  }

  /** Return the counters. */
  stats() {
    const { outage, outbox, printer, drops, sent } = this.shipping;
    return {
      state: outage.lasts ? 'outage' : this.producer.last ? 'delivering' : 'idle',
      producer: this.producer.hex,
      queued: this.#intake.length,
      waiting: outbox.length,
      sent,
      printed: printer.printed,
      redacted: this.#framer.redacted,
      outages: outage.count,
      dropped: { ...drops.totals },
    };
  }

  /** Do what is due. */
  *step() {
    if (this.shipping.outage.lasts || !this.shipping.outbox.holds(1)) yield* this.take();
    if (this.marks.size && this.deadline !== null && performance.now() >= this.deadline) {
      yield* this.#giveUp();
    } else if (this.#due()) {
      yield* this.#deliver();
    }
    this.#resolve();
  }

  /** Do what is left at the end of the process: send it before the deadline, else print it. */
  *last() {
    let failures = 0;
    while (this.holds && failures < FAILURES_AT_EXIT && performance.now() < this.deadline) {
      yield* this.take();
      if (yield* this.#deliver()) continue;
      failures++;
      yield pause(AGAIN_MS);
    }
    if (this.holds) yield* this.#giveUp();
  }

  /** Pack what was logged, about `n` records at most; waits for nothing unless an outage lasts. */
  *take(n = MAX_TAKEN) {
    const parcels = this.#packer.take(n);
    if (parcels.length) yield* this.shipping.add(parcels);
  }

  #due() {
    const { outage } = this.shipping;
    if (outage.lasts && this.marks.size && !this.#hurried) return true;
    return outage.lasts ? outage.waitMs === 0 : this.shipping.busy;
  }

  *#deliver() {
    this.#hurried = this.marks.size > 0;
    const delivered = yield* this.shipping.deliver(
      this.component,
      this.patienceMs,
      this.#hurried,
    );
    if (!delivered) this.marks.failed();
    return delivered;
  }

  *#giveUp() {
    while (this.#intake.waiting) yield* this.take();
    yield* this.shipping.giveUp(this.component, LEAST_PATIENCE_MS);
    this.marks.giveUp();
  }

  #resolve() {
    if (!this.marks.size) {
      this.#hurried = false;
      return;
    }
    const { outbox, drops } = this.shipping;
    this.marks.resolve({
      taken: this.#intake.taken,
      empty: !this.#intake.length,
      last: this.producer.last,
      oldest: outbox.oldest,
      told: !outbox.receipts.length && !drops.untold,
      dropped: drops.total,
    });
  }
}

module.exports = { Dispatch, FAILURES_AT_EXIT };
