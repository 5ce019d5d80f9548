'use strict';
// ICCMLogger: the caller's side of a log call, and nothing else.
//
// A call compares the level, encodes `data` once (a snapshot: what the program changes later does
// not show, and one bad object spoils no other record), reads the clock and the context, and
// appends. About a microsecond; no I/O, no exception, no promise. What JSON text would not say
// exactly (a Map, a BigInt, NaN, a cycle) goes the exact way, still in the call, because it may be
// changed later.

const { performance } = require('node:perf_hooks');
const { UNREADABLE } = require('./buffer.js');
const { godotRenamed, queueable } = require('./cleaning.js');
const clock = require('./clock.js');
const { bound, current } = require('./context.js');
const { encode, plainText } = require('./encoding.js');
const { say } = require('./fallback.js');
const { Source, snapshotOf } = require('./framing.js');
const { flushOnSigterm, senderFor } = require('./lifecycle.js');
const { Notes } = require('./notes.js');
const { asObject, plain } = require('./plain.js');
const { Level, MAX_MESSAGE_BYTES, NAMES, parseLevel, readLevel } = require('./record.js');
const { Redactor } = require('./redaction.js');
const { load } = require('./settings.js');
const { beginning, firstChars, isError, textOf } = require('./text.js');

const MAX_MESSAGE_CHARS = 2 * MAX_MESSAGE_BYTES; // kept for the sender to redact and then cut
const MAX_INSIDE = 3; // log calls made by the data of log calls
const METHODS = ['trace', 'debug', 'info', 'warn', 'error', 'log'];
const { TRACE, DEBUG, INFO, WARN, ERROR } = Level;

const complained = new Set();
const redactors = new Map(); // equal rules are shared, so that a batch is searched once
let inside = 0;

/**
 * Logs for one component; cheap to make, since all loggers of a thread share one sender.
 *
 * Options win over the environment; a wrong option throws ConfigError, a wrong variable is one line
 * on stderr. After construction nothing throws or rejects. The logging methods may be taken off the
 * logger and called alone.
 */
class ICCMLogger {
  #gate;
  #source;
  #sender;
  #intake;
  #flushTimeoutMs;
  #isChild = false;

  constructor(options = {}) {
    if (options instanceof Inheritance) {
      this.#inherit(options);
      return;
    }
    const given = typeof options === 'string' ? { component: options } : (options ?? {});
    const settings = load(given, complain);
    this.component = settings.component;
    this.#flushTimeoutMs = settings.flushTimeoutS * 1_000;
    this.#source = new Source(settings.component, redactor(settings, given.redactValues ?? true));
    this.#use(senderFor(settings));
    this.#gate = this.#sender.levels.gate(settings.component, settings.level, settings.enabled);
    if (!settings.enabled) return;
    this.#sender.greet(this.#source);
    if (given.flushOnSigterm) flushOnSigterm();
  }

  #inherit({ parent, fields }) {
    const { component, redactor: rules, bound: outer } = parent.#source;
    this.component = component;
    this.#flushTimeoutMs = parent.#flushTimeoutMs;
    this.#source = new Source(component, rules, bound(outer, fields));
    this.#gate = parent.#gate;
    this.#isChild = true;
    this.#use(parent.#sender);
  }

  #use(sender) {
    this.#sender = sender;
    this.#intake = sender.intake;
    for (const name of METHODS) this[name] = this[name].bind(this);
  }

  /** Log what only someone reading the code wants to know. */
  trace(message, data, traceId) {
    if (this.#gate.level <= TRACE) this.#emit(TRACE, message, data, traceId);
  }

  /** Log what helps to find a fault. */
  debug(message, data, traceId) {
    if (this.#gate.level <= DEBUG) this.#emit(DEBUG, message, data, traceId);
  }

  /** Log what happened as it should. */
  info(message, data, traceId) {
    if (this.#gate.level <= INFO) this.#emit(INFO, message, data, traceId);
  }

  /** Log what should not happen but was dealt with. */
  warn(message, data, traceId) {
    if (this.#gate.level <= WARN) this.#emit(WARN, message, data, traceId);
  }

  /** Log what failed; an Error as message or data is kept with its stack and causes. */
  error(message, data, traceId) {
    if (this.#gate.level <= ERROR) this.#emit(ERROR, message, data, traceId);
  }

  /**
   * Log at a level given by name, alias or number; an unknown one counts as INFO. `at` is the time
   * in ms since 1970 when it happened, for records of other libraries; by default, and when it lies
   * before 1970 or beyond the year 9999, it is now.
   */
  log(level, message, data, traceId, at) {
    let number = INFO;
    let notes = null;
    try {
      number = readLevel(level);
      const { original } = typeof level === 'string' ? parseLevel(level) : {};
      if (original) notes = new Notes(original);
    } catch {
      // an unknown level, or one as hostile as any data
    }
    if (this.#gate.level > number) return;
    this.#emit(number, message, data, traceId, notes, clock.isTime(at) ? at : null);
  }

  /** Say whether a record of this level would be made: for data that is costly to gather. */
  isEnabled(level) {
    try {
      return this.#gate.level <= readLevel(level);
    } catch {
      return false;
    }
  }

  /**
   * Change the lowest level that is logged, for this logger and its children. An unknown level
   * changes nothing and is one line on stderr.
   */
  setLevel(level) {
    try {
      this.#gate.set(readLevel(level));
    } catch {
      const shown = firstChars(textOf(level), 80);
      say(`level '${shown}' is unknown: allowed are ${NAMES.join(', ')}`);
    }
  }

  /** Return a child whose records all carry these fields; a record's own data wins. */
  bind(fields) {
    return new ICCMLogger(new Inheritance(this, fields));
  }

  /**
   * Return a promise: true once everything logged so far is in Redis, false when it is not after
   * `timeoutMs` (by default the flush deadline of the settings).
   */
  flush(timeoutMs = this.#flushTimeoutMs) {
    return this.#sender.flush(Math.max(0, Number(timeoutMs) || 0));
  }

  /** Flush, and let the sender rest unless other loggers are open; a later record wakes it. */
  async close() {
    if (!this.#isChild) this.#gate.open = false;
    await this.#sender.close(this.#flushTimeoutMs);
  }

  /** Return what this thread's client did so far. */
  stats() {
    return this.#sender.stats();
  }

  /** Say whether the queue is more than half full: a hint to whoever could log less. */
  get pressed() {
    return this.#intake.pressed;
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }

  #emit(level, message, data, traceId, notes = null, at = null) {
    if (inside > MAX_INSIDE) {
      // a getter or toJSON that logs its own object, again and again
      this.#intake.refuse(UNREADABLE);
      return;
    }
    inside++;
    try {
      const text = data === undefined || data === null ? '' : encode(data);
      if (
        text === null ||
        notes !== null ||
        at !== null ||
        typeof message !== 'string' ||
        message.length > MAX_MESSAGE_CHARS
      ) {
        this.#emitCarefully(level, message, data, text, traceId, notes, at);
        return;
      }
      const now = performance.now();
      const context = current();
      this.#intake.put(
        snapshotOf(level, now, this.#source, context, traceId, message, text, null, null),
      );
    } catch {
      this.#intake.refuse(UNREADABLE); // counted, and named by number in a receipt
    } finally {
      inside--;
    }
  }

  /** Take what is not text, large, made at another time, or not exact as JSON text. */
  #emitCarefully(level, message, data, encoded, traceId, given, at) {
    const notes = given ?? new Notes();
    let copy = null;
    let text = encoded;
    if (text === null || isError(message)) {
      copy = copied(isError(message) ? [message, data] : [data], notes);
      text = plainText(copy);
    }
    let words = messageText(message);
    if (words.length > MAX_MESSAGE_CHARS) {
      notes.truncated.message = Buffer.byteLength(words);
      words = beginning(words, MAX_MESSAGE_CHARS);
    }
    const now = at === null ? performance.now() : new clock.OwnTime(at);
    const noted = notes.empty && !notes.lostBytes ? null : notes;
    this.#intake.put(
      snapshotOf(level, now, this.#source, current(), traceId, words, text, copy, noted),
    );
  }
}

/** What a child logger is made of. */
class Inheritance {
  constructor(parent, fields) {
    this.parent = parent;
    this.fields = fields;
  }
}

/** Return what was given of `values` as one plain object of a size that can be queued. */
function copied(values, notes) {
  const found = Object.create(null);
  for (const value of values) {
    if (value !== undefined && value !== null) Object.assign(found, plainObject(value, notes));
  }
  return queueable(godotRenamed(found), notes);
}

function plainObject(value, notes) {
  let found;
  try {
    found = plain(asObject(value), notes);
  } catch {
    notes.cleaned.add('values');
    found = textOf(value);
  }
  return typeof found === 'string' ? { value: found } : found;
}

/** Return a message's text; objects are shown as JSON, so that `log.info({…})` says something. */
function messageText(message) {
  if (typeof message !== 'object' || message === null || isError(message)) {
    return textOf(message);
  }
  return ArrayBuffer.isView(message) ? textOf(message) : plainText(copied([message], new Notes()));
}

function redactor(settings, values) {
  const key = JSON.stringify([settings.redactFields, values]);
  if (!redactors.has(key)) redactors.set(key, new Redactor(settings.redactFields, values));
  return redactors.get(key);
}

/** Say what is wrong with the environment, once per process. */
function complain(line) {
  if (complained.has(line)) return;
  complained.add(line);
  say(line);
}

module.exports = { ICCMLogger };
