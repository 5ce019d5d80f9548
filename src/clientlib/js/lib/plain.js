'use strict';
// Turn any value into what JSON can hold, within bounds of depth and size, and note what changed.
//
// Every hostile case ends here: cycles, a thousand levels, NaN, getters and proxies that throw. The
// walk stops at 32 levels, at 100,000 values and takes 16 MiB of text, so that neither a cycle nor a
// small object that unfolds into millions can keep the caller. Copies have no prototype:
// `__proto__` is a key like any other.

const { MAX_VALUES } = require('./encoding.js');
const { MAX_DATA_BYTES, MAX_DEPTH } = require('./record.js');
const {
  beginning,
  digitsOf,
  isError,
  isSafe,
  kindOf,
  textOf,
  withoutUnsafe,
} = require('./text.js');

const TOO_DEEP = '[TOO DEEP]';
const UNREADABLE_VALUE = '[UNREADABLE]';
const MAX_WALKED_CHARS = 16_777_216;
const MAX_GATHERED = 8; // errors of an AggregateError whose stacks are shown
const MAX_BINARY_BYTES = (MAX_DATA_BYTES / 4) * 3; // as many as fit in base64
const LEAST_INT = -(1n << 63n);
const GREATEST_INT = (1n << 64n) - 1n;

/** Return an object for any data: an Error as `exception`, what is no object as `value`. */
function asObject(data) {
  if (isError(data)) {
    const found = { ...data, exception: stackOf(data) };
    if (data.cause !== undefined && !isError(data.cause)) found.cause = data.cause;
    return found;
  }
  if (typeof data !== 'object' || data === null) return { value: data };
  if (data instanceof Map) return data;
  const isObject = Object.prototype.toString.call(data) === '[object Object]';
  return isObject && typeof data.toJSON !== 'function' ? data : { value: data };
}

/** Return an error's stack with those it gathers and of its causes: text, without any variables. */
function stackOf(error, levels = 8) {
  const texts = [typeof error.stack === 'string' ? error.stack : textOf(error)];
  if (levels === 0) return texts[0];
  if (error instanceof AggregateError) {
    for (const one of error.errors.slice(0, MAX_GATHERED)) {
      texts.push(`Gathered: ${isError(one) ? stackOf(one, 0) : textOf(one)}`);
    }
  }
  const { cause } = error;
  if (isError(cause)) texts.push(`Caused by: ${stackOf(cause, levels - 1)}`);
  return texts.join('\n');
}

/** Return a copy of an object that JSON can hold (64-bit integers stay BigInt). Never throws. */
function plain(value, notes) {
  return new Walk(notes).container(value, 0);
}

/** One pass over one object; counts values so that it ends. */
class Walk {
  #notes;
  #left = MAX_VALUES;
  #room = MAX_WALKED_CHARS;
  #path = new Set();

  constructor(notes) {
    this.#notes = notes;
  }

  container(value, depth) {
    if (depth >= MAX_DEPTH || this.#path.has(value)) return this.#changed('depth', TOO_DEEP);
    this.#path.add(value);
    try {
      return this.#contents(value, depth + 1);
    } catch {
      return this.#changed('values', `<unprintable ${kindOf(value)}>`);
    } finally {
      this.#path.delete(value);
    }
  }

  #contents(value, depth) {
    if (Array.isArray(value)) return this.#items(value.keys(), (i) => value[i], depth);
    if (value instanceof Set) return this.#items(value, (item) => item, depth);
    if (value instanceof Map) return this.#mapping(value.keys(), (key) => value.get(key), depth);
    if (isError(value)) {
      const shown = { name: value.name, message: value.message, stack: value.stack };
      if (value.cause !== undefined) shown.cause = value.cause;
      if (value instanceof AggregateError) shown.errors = value.errors;
      return this.#contents({ ...shown, ...value }, depth);
    }
    return this.#mapping(Object.keys(value), (key) => value[key], depth);
  }

  #mapping(keys, read, depth) {
    const found = Object.create(null);
    for (const key of keys) {
      if (this.#left < 0) {
        this.#notes.cleaned.add('values');
        break;
      }
      const item = this.#read(read, key);
      if (item !== undefined) found[this.#text(textOf(key))] = this.#value(item, depth);
    }
    return found;
  }

  #items(keys, read, depth) {
    const found = [];
    for (const key of keys) {
      if (this.#left < 0) {
        this.#notes.cleaned.add('values');
        break;
      }
      found.push(this.#value(this.#read(read, key), depth));
    }
    return found;
  }

  /** One property that throws does not take its neighbours along. */
  #read(read, key) {
    try {
      return read(key);
    } catch {
      return this.#changed('values', UNREADABLE_VALUE);
    }
  }

  #value(value, depth) {
    this.#left--;
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'number':
        return this.#number(value);
      case 'bigint':
        if (value >= LEAST_INT && value <= GREATEST_INT) return value;
        return this.#changed('numbers', digitsOf(value));
      case 'boolean':
        return value;
      case 'object':
        return value === null ? null : this.#object(value, depth);
      case 'undefined':
        return null;
      default:
        return this.#text(textOf(value));
    }
  }

  #number(value) {
    if (!Number.isFinite(value)) return this.#changed('numbers', String(value));
    if (!Number.isInteger(value) || Math.abs(value) < 2 ** 63 || Math.abs(value) >= 1e21)
      return value;
    return this.#value(BigInt(value), 0);
  }

  #object(value, depth) {
    try {
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
        return this.#binary(value, depth);
      if (value instanceof RegExp) return this.#text(String(value));
      if (value instanceof Date && Number.isNaN(value.getTime())) {
        return this.#changed('values', 'Invalid Date');
      }
      if (value instanceof Number || value instanceof String || value instanceof Boolean) {
        return this.#value(value.valueOf(), depth);
      }
      if (typeof value.toJSON === 'function' && !this.#path.has(value)) {
        return this.#converted(value, depth);
      }
    } catch {
      return this.#changed('values', `<unprintable ${kindOf(value)}>`);
    }
    return this.container(value, depth);
  }

  /** What toJSON returns counts, unless it is the object itself. */
  #converted(value, depth) {
    this.#path.add(value);
    try {
      const simple = value.toJSON();
      if (simple === value) return this.#contents(value, depth + 1);
      return this.#value(simple, depth);
    } finally {
      this.#path.delete(value);
    }
  }

  /** @param {any} value a view or an ArrayBuffer */
  #binary(value, depth) {
    if ('BYTES_PER_ELEMENT' in value && !(value instanceof Uint8Array)) {
      return this.#items(value.keys(), (i) => value[i], depth); // numbers
    }
    const bytes = ArrayBuffer.isView(value)
      ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      : Buffer.from(value);
    const kept = bytes.subarray(0, Math.min(MAX_BINARY_BYTES, Math.floor(this.#room / 4) * 3));
    this.#notes.lostBytes += Math.ceil(((bytes.length - kept.length) * 4) / 3);
    this.#room -= Math.ceil(kept.length / 3) * 4;
    return kept.toString('base64');
  }

  #text(text) {
    let kept = text;
    const limit = Math.min(MAX_DATA_BYTES, this.#room);
    if (text.length > limit) {
      // cannot fit whole: do not redact megabytes of it
      kept = beginning(text, limit);
      this.#notes.lostBytes += Buffer.byteLength(text) - Buffer.byteLength(kept);
    }
    this.#room -= kept.length;
    return isSafe(kept) ? kept : this.#changed('characters', withoutUnsafe(kept));
  }

  #changed(what, value) {
    this.#notes.cleaned.add(what);
    return value;
  }
}

module.exports = { plain, asObject, stackOf };
