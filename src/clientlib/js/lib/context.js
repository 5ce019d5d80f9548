'use strict';
// What every record of one request or task carries: its trace id and bound fields.
//
// Both live in one AsyncLocalStorage, which costs a program nothing until it is used. Fields are
// copied and encoded when they are bound: a snapshot, like any data. Nothing is ever invented:
// without a trace id the record has none.

const { AsyncLocalStorage } = require('node:async_hooks');
const { godotRenamed } = require('./cleaning.js');
const { plainText } = require('./encoding.js');
const { Notes } = require('./notes.js');
const { asObject, plain } = require('./plain.js');
const { isAscii } = require('./text.js');

const storage = new AsyncLocalStorage();

/** Fields that several records share, encoded once. */
class Bound {
  #redacted = null;

  /** `fields` is plain. */
  constructor(fields) {
    this.fields = fields;
    this.text = plainText(fields).slice(1, -1); // the inside of a JSON object
    this.ascii = isAscii(this.text);
    this.keys = Object.keys(fields).map((key) => `${JSON.stringify(key)}:`);
  }

  /** Return these fields with others over them. */
  with(fields) {
    return new Bound(Object.assign(Object.create(null), this.fields, fields));
  }

  /** Return the same fields redacted; remembered for the last redactor that asked. */
  without(redactor) {
    if (this.#redacted?.redactor !== redactor) {
      this.#redacted = { redactor, bound: new Bound(redactor.mapping(this.fields)) };
    }
    return this.#redacted.bound;
  }
}

/** Return `outer` (may be null) with fields as the program gave them. Never throws. */
function bound(outer, fields) {
  let found = {};
  try {
    found = plain(asObject(fields ?? {}), new Notes());
  } catch {
    // fields that nothing can be made of
  }
  const added = godotRenamed(typeof found === 'string' ? { value: found } : found);
  return (outer ?? new Bound({})).with(added);
}

/** Return what is in force here: `{traceId, bound}`, or undefined. */
function current() {
  return storage.getStore();
}

/** Call `fn` with this trace id in force, also in everything it starts; null takes it away. */
function traceContext(traceId, fn) {
  return storage.run({ traceId: traceId || null, bound: current()?.bound ?? null }, fn);
}

/** Call `fn`; every record logged inside carries these fields. */
function bind(fields, fn) {
  const outer = current();
  const inside = { traceId: outer?.traceId ?? null, bound: bound(outer?.bound, fields) };
  return storage.run(inside, fn);
}

/** Return the trace id in force here, or null. */
function currentTraceId() {
  return current()?.traceId ?? null;
}

module.exports = { Bound, bound, current, traceContext, bind, currentTraceId };
