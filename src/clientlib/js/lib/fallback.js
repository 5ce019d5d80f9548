'use strict';
// While Redis is away: the records on stdout, one line on stderr, and when to try again.
//
// Everything is written to the descriptors themselves: `process.stdout` may have been replaced by
// something that logs. A pipe that nobody reads must not stop the event loop: Node sets it to
// non-blocking once `process.stdout` has been touched, a full one says EAGAIN, and at most 4 KiB
// are written at a time, which a pipe takes whole or not at all.

const fs = require('node:fs');
const { performance } = require('node:perf_hooks');
const { isMainThread } = require('node:worker_threads');
const { fieldsOf } = require('./parcel.js');
const { pause } = require('./tasks.js');

const PIPE_BYTES = 4_096; // PIPE_BUF: a line up to this length is not torn by another writer's
const STDOUT_PATIENCE_MS = 250;
const STDOUT_RETRY_MS = 5;
const TURN_MS = 2; // then others get their turn
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
const HURRIED_RETRY_MS = 250; // while somebody waits in flush

/** Write one line about ourselves to stderr; silently nothing when it cannot be written. */
function say(text) {
  const line = text
    .split(/\s+/)
    .join(' ')
    .slice(0, PIPE_BYTES - 100);
  try {
    if (!waits('stderr')) fs.writeSync(2, `godot: ${line}\n`);
  } catch {
    // no stderr, or nobody reads it
  }
}

/** Return a record as one JSON line: the fields of the stream entry, `data` as an object. */
function lineOf(parcel) {
  const { data, ...rest } = fieldsOf(parcel);
  const text = JSON.stringify(rest);
  return data === undefined ? `${text}\n` : `${text.slice(0, -1)},"data":${data}}\n`;
}

/**
 * Prints records on stdout; never waits long for it. What is begun stays here, so that a task that
 * is never resumed loses nothing and no line is torn: the next one goes on.
 */
class Printer {
  #lines = 0; // of which `#rest` consists
  #rest = Buffer.alloc(0);
  #patienceMs = STDOUT_PATIENCE_MS;
  printed = 0;

  /** How many records were taken over and are not printed yet. */
  get begun() {
    return this.#lines;
  }

  /** Wait for stdout once more, whatever it did before: these are the last words. */
  bePatient() {
    this.#patienceMs = STDOUT_PATIENCE_MS;
  }

  /**
   * A task: print what `outbox` holds and was not printed, as JSON lines. Ends when stdout does not
   * take any more; the rest is for the next time.
   */
  *print(outbox) {
    let turnEndsAt = performance.now() + TURN_MS;
    while (this.#rest.length || outbox.unprinted) {
      if (!this.#rest.length) this.#fill(outbox);
      if (!(yield* this.#write())) return;
      if (performance.now() < turnEndsAt) continue;
      yield pause(0);
      turnEndsAt = performance.now() + TURN_MS;
    }
  }

  /** Make the next lines, as many as a pipe takes at once. */
  #fill(outbox) {
    const lines = [];
    let bytes = 0;
    while (outbox.unprinted && bytes < PIPE_BYTES) {
      const line = Buffer.from(lineOf(outbox.nextToPrint));
      if (lines.length && bytes + line.length > PIPE_BYTES) break;
      outbox.notePrinted();
      lines.push(line);
      bytes += line.length;
    }
    this.#lines = lines.length;
    this.#rest = Buffer.concat(lines);
  }

  /** Write whole lines; after a refusal do not wait again until stdout takes something. */
  *#write() {
    let waitedMs = 0;
    try {
      while (this.#rest.length) {
        const written = attempt(this.#rest.subarray(0, PIPE_BYTES));
        this.#rest = this.#rest.subarray(written);
        if (written) continue;
        if (waitedMs >= this.#patienceMs) throw new Error('stdout does not take anything');
        waitedMs += STDOUT_RETRY_MS;
        yield pause(STDOUT_RETRY_MS);
      }
    } catch {
      this.#patienceMs = 0;
      return false;
    }
    this.#patienceMs = STDOUT_PATIENCE_MS;
    this.printed += this.#lines;
    this.#lines = 0;
    return true;
  }
}

/** Return how many bytes stdout took; throw when it is gone. */
function attempt(bytes) {
  try {
    return waits('stdout') ? 0 : fs.writeSync(1, bytes);
  } catch (error) {
    if (error.code === 'EAGAIN') return 0;
    throw error;
  }
}

/**
 * Say whether Node itself holds something back that must be written first. Asking makes a pipe
 * non-blocking; in a worker thread it is whatever the main thread made it.
 */
function waits(name) {
  return isMainThread && process[name].writableLength > 0;
}

/**
 * Whether delivery fails, since when, and when to try again. Waiting times double from 0.1 to 5 s,
 * with jitter so that a fleet does not return at once. One line says that it began and why, one
 * that it is over, however often it is tried in between.
 */
class Outage {
  #clock;
  #jitter;
  #since = null;
  #retryAt = 0;
  #failures = 0;
  count = 0;

  constructor(clock = () => performance.now(), jitter = Math.random) {
    this.#clock = clock;
    this.#jitter = jitter;
  }

  get lasts() {
    return this.#since !== null;
  }

  /** How long to wait before the next attempt. */
  get waitMs() {
    return Math.max(0, this.#retryAt - this.#clock());
  }

  /** Note a failed attempt; the first one is told. */
  failed(place, reason, hurried = false) {
    const doubledMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 10));
    const delayMs = doubledMs * (0.5 + this.#jitter() / 2);
    this.#failures++;
    this.#retryAt = this.#clock() + (hurried ? Math.min(delayMs, HURRIED_RETRY_MS) : delayMs);
    if (this.#since !== null) return;
    this.#since = this.#clock();
    this.count++;
    say(
      `${place} does not take records (${reason}); ` +
        'they are printed on stdout as JSON until it does',
    );
  }

  /** Note that a whole batch was taken; tell it when there was an outage. */
  over(place, account) {
    this.#failures = 0;
    if (this.#since === null) return;
    const lastedS = (this.#clock() - this.#since) / 1_000;
    this.#since = null;
    say(`${place} takes records again after ${lastedS.toFixed(1)} s: ${account}`);
  }
}

module.exports = { say, Printer, Outage };
