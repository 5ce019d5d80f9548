'use strict';
// From the intake to parcels: what gives records their numbers.
//
// Numbers are given in the queue's order, and to what was refused as well, so that a receipt can
// name it, also while more comes than is sent. As much is packed at once as fits into one turn of
// the event loop.

const { performance } = require('node:perf_hooks');
const { UNREADABLE } = require('./buffer.js');

const CHUNK = 50; // records packed without a look at the clock
const CHUNK_BYTES = 65_536;
const TURN_BYTES = 1_048_576;
const PACKING_MS = 2;

class Packer {
  #intake;
  #producer;
  #framer;
  #drops;

  constructor(intake, producer, framer, drops) {
    this.#intake = intake;
    this.#producer = producer;
    this.#framer = framer;
    this.#drops = drops;
  }

  /** Return the oldest records as parcels, about `n` at most; note what was refused. */
  take(n) {
    const parcels = [];
    const endsAt = performance.now() + PACKING_MS;
    let room = TURN_BYTES;
    while (parcels.length < n && room > 0 && this.#intake.length && performance.now() < endsAt) {
      const batch = this.#intake.take(CHUNK, CHUNK_BYTES);
      for (const { size } of batch) room -= size;
      const first = this.#producer.claim(batch.length);
      parcels.push(...this.#framed(batch, this.#producer.number, first));
    }
    this.#numberRefusals();
    return parcels;
  }

  #numberRefusals() {
    for (const [reason, n] of this.#intake.refusals()) {
      const first = this.#producer.claim(n);
      this.#drops.add(reason, first, first + n - 1);
    }
  }

  #framed(batch, producer, first) {
    try {
      return this.#framer.frame(batch, producer, first);
    } catch {
      return batch.flatMap((snapshot, i) => this.#framedAlone(snapshot, producer, first + i));
    }
  }

  /** One record that breaks the framer does not take others along: it is counted and named. */
  #framedAlone(snapshot, producer, sequence) {
    try {
      return this.#framer.frame([snapshot], producer, sequence);
    } catch {
      this.#drops.add(UNREADABLE, sequence, sequence);
      return [];
    }
  }
}

module.exports = { Packer };
