'use strict';
// The one loop that talks to Redis: it takes, numbers, packs, sends, and answers for the rest.
//
// What becomes of a record
// - It is taken from the intake within 20 ms (at once when there is much), given the next sequence
//   number and its id, redacted, cleaned and packed. From then on its bytes never change.
// - It stays in the outbox until Redis has answered its XADD. A broken connection, a missing answer
//   and any error answer (full, read-only, no right, wrong type …) leave it there, and it is sent
//   again as it is: the id makes a second arrival harmless.
// - The first failure begins an outage: one warning on stderr, and every record that waits or comes
//   is printed on stdout, once. Delivery is tried again after 0.1 s, doubling up to 5 s, with
//   jitter. The outage ends when a whole batch was taken: one notice on stderr; what still waits is
//   sent.
// - During an outage the outbox keeps the newest records, within GODOT_BUFFER_RECORDS and
//   GODOT_BUFFER_BYTES; older ones are dropped. The intake in front has the same bounds, so for a
//   moment twice as much can be held.
// - Whatever is dropped is counted by reason, and its numbers stand in a receipt that is sent
//   before the next record. A receipt that is lost is told again.
//
// The loop works for 2 ms at most and then gives the event loop a turn. It keeps no process alive:
// `flush` does, and the hooks of lifecycle.js. Nothing here throws or rejects.

const { AsyncResource } = require('node:async_hooks');
const { performance } = require('node:perf_hooks');
const timers = require('node:timers/promises');
const { Intake } = require('./buffer.js');
const { Dispatch, FAILURES_AT_EXIT } = require('./dispatch.js');
const { say } = require('./fallback.js');
const { LastWords, standStill } = require('./lastwords.js');
const { Levels } = require('./levels.js');
const { run, runNow } = require('./tasks.js');
const { Transport } = require('./transport.js');
const { Watch } = require('./watch.js');

const LINGER_MS = 20;
const GATHERED = 200; // records that need not wait for more: a millisecond's work
const MAX_AHEAD = 2; // batches packed, the one on its way included
const LAST_WORDS_MS = 400; // beyond the deadline, to print what was not sent
const STUMBLE_MS = 100;

// The loop belongs to no request: run from here it inherits no AsyncLocalStorage of a caller's.
const nobody = new AsyncResource('godot');

/** One process's (or thread's) way to one stream; shared by all loggers with the same settings. */
class Sender {
  levels = new Levels();
  intake;
  #dispatch;
  #transport;
  #watch;
  #lookUp;
  #running = false;
  #stopping = false;
  #stumbled = false;
  #ring = () => {}; // ends a pause

  /** `lookUp` returns the URL to use when nobody gave one, else it is null. */
  constructor(destination, lookUp) {
    this.intake = new Intake(destination.bufferRecords, destination.bufferBytes, () =>
      this.#wake(),
    );
    this.#lookUp = lookUp;
    this.#transport = new Transport(destination.redisUrl, {
      lookUp,
      onReady: () => this.#watch.read(),
      onPush: (kind, channel) => this.#watch.pushed(kind, channel),
      onClosed: () => this.#watch.lost(),
    });
    this.#watch = new Watch(destination.stream, this.#transport, this.levels);
    this.#dispatch = new Dispatch(destination, this.intake, () => this.#transport.place);
  }

  // -- called by callers ----------------------------------------------------------------------

  /** Learn who logs; from now on levels are watched. */
  greet(source) {
    this.#dispatch.greet(source);
    nobody.runInAsyncScope(() => this.#watch.start());
  }

  /**
   * Return a promise: true once everything logged so far is in Redis, false when it is not in time.
   * After `maxFailures` failed attempts the answer is false at once: at exit nobody should wait for
   * a server that is not there.
   */
  flush(timeoutMs, maxFailures = Infinity) {
    if (!this.#running && !this.busy) return Promise.resolve(true);
    const answer = this.#dispatch.mark(timeoutMs, maxFailures);
    this.#wake();
    return answer;
  }

  /** Flush because the process ends: what is not sent in time is printed and named. */
  async finish(timeoutMs) {
    this.#dispatch.deadline = performance.now() + timeoutMs;
    this.#transport.hurry(this.#dispatch.patienceMs);
    const delivered = await this.flush(timeoutMs + LAST_WORDS_MS, FAILURES_AT_EXIT);
    this.#dispatch.deadline = null;
    if (!delivered) this.#dispatch.forgo();
    return delivered;
  }

  /**
   * Flush; with the last open logger rest: the connection is closed until a later record opens it
   * again.
   */
  async close(timeoutMs) {
    if (this.levels.used) return this.flush(timeoutMs, FAILURES_AT_EXIT);
    const delivered = await this.finish(timeoutMs);
    if (this.levels.used) return delivered; // one that was made meanwhile
    this.#watch.stop();
    if (this.#running) {
      this.#stopping = true;
      this.#wake();
    } else {
      this.#transport.close();
    }
    return delivered;
  }

  /** Say whether there is anything to send, tell or answer. */
  get busy() {
    return this.#dispatch.busy;
  }

  /** Say whether there are records that the end of the process should wait for. */
  get holds() {
    return this.#dispatch.holds;
  }

  /** Return the counters. */
  stats() {
    return this.#dispatch.stats();
  }

  // -- at `process.exit`, where nothing else runs any more ---------------------------------------

  /** Do at once and standing still what the loop would do. */
  finishNow(timeoutMs) {
    if (!this.holds) {
      this.printNow();
      return;
    }
    const words = new LastWords(this.#lookUp?.() ?? this.#transport.url);
    this.#dispatch.deadline = performance.now() + timeoutMs;
    try {
      runNow(this.#dispatch.last(), words);
    } catch (error) {
      say(`ended with ${this.intake.length} records not sent: ${bugAt(error)}`);
    } finally {
      words.close();
    }
  }

  /** Print at once what is neither sent nor printed, where it was tried to send it. */
  printNow() {
    const { shipping } = this.#dispatch;
    if (shipping.unprinted) runNow(shipping.printLast(), { pause: standStill });
  }

  // -- the loop -------------------------------------------------------------------------------

  #wake() {
    this.intake.wakeAt = Infinity;
    if (this.#running) {
      this.#ring();
      return;
    }
    this.#running = true;
    this.#stopping = false;
    this.#watch.start(); // it was stopped, perhaps
    nobody.runInAsyncScope(() => void this.#run());
  }

  async #run() {
    const world = {
      pause: (ms) =>
        ms ? timers.setTimeout(ms, undefined, { ref: false }) : timers.setImmediate(),
      exchange: (packed, count, patienceMs) =>
        this.#packAhead(this.#transport.exchange(packed, count, patienceMs)),
    };
    if (!this.#dispatch.marks.size) await this.#pause(LINGER_MS, GATHERED);
    do {
      try {
        await run(this.#dispatch.step(), world);
        await this.#rest();
      } catch (error) {
        await this.#stumble(error);
      }
    } while (this.busy);
    this.#running = false;
    this.intake.wakeAt = 1;
    if (this.#stopping) this.#transport.close();
  }

  /** Let records gather when there are few; sleep while an outage lasts. */
  async #rest() {
    const { marks, shipping } = this.#dispatch;
    const { outage } = shipping;
    if (this.intake.length >= GATHERED) return;
    if (marks.size) {
      if (outage.lasts && !this.intake.length)
        await this.#pause(Math.min(LINGER_MS, outage.waitMs));
      return;
    }
    if (outage.lasts && !this.intake.length) await this.#pause(outage.waitMs, 1);
    if (this.intake.length && !marks.size && !this.#stopping) await this.#pause(LINGER_MS, GATHERED);
  }

  /** Pause, unless woken: also by the intake when it holds `wakeAt` records. */
  #pause(ms, wakeAt = Infinity) {
    this.intake.wakeAt = wakeAt;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#ring(), ms).unref();
      this.#ring = () => {
        this.#ring = () => {};
        this.intake.wakeAt = Infinity;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #stumble(error) {
    if (!this.#stumbled) {
      this.#stumbled = true;
      say(`the sender goes on after ${bugAt(error)}`);
    }
    await this.#pause(STUMBLE_MS);
  }

  /** Pack what goes next while the server is busy, in turns, when there is enough of it. */
  async #packAhead(answers) {
    let waits = true;
    const done = () => (waits = false);
    void answers.then(done, done);
    const { outage, outbox } = this.#dispatch.shipping;
    while (waits && !outage.lasts && this.intake.length >= GATHERED && !outbox.holds(MAX_AHEAD)) {
      runNow(this.#dispatch.take(GATHERED), null); // waits for nothing when there is no outage
      await timers.setImmediate();
    }
    return answers;
  }
}

/** Name an error by its place, not by what it says: that may be secret. */
function bugAt(error) {
  const place = /^ {4}at .*?([^\s(]+:\d+):\d+\)?$/m.exec(error?.stack)?.[1];
  return `${error?.name} at ${place} (this is a bug)`;
}

module.exports = { Sender };
