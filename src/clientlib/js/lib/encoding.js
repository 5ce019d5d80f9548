'use strict';
// Data into JSON text in one pass, in the caller's time: as quick as JSON.stringify and exact.
//
// JSON.stringify turns NaN into null, a Map, a Set and an Error into `{}`, a Buffer into a list,
// and throws at a BigInt. Here whatever JSON text would not say as it is ends the pass, and the
// value is copied piece by piece (plain.js). Most records never need that.

const { MAX_DATA_BYTES, MAX_DEPTH } = require('./record.js');
const { isSafe } = require('./text.js');

const MAX_VALUES = 100_000;
const MAX_KEYS_REMEMBERED = 4_096;
const MAX_KEY_REMEMBERED = 128; // characters
const SHORT = 500; // a regular expression is quicker than JSON.stringify up to here
const UNUSUAL = /[\0-\x1f"\\\ud800-\udfff]/;
const MAX_INT = 2 ** 63; // beyond it BigInt decides exactly whether 64 bits are enough
const NOT_PLAIN = Symbol('not plain');

const { getPrototypeOf, keys: keysOf } = Object;
const tagOf = Object.prototype.toString;
const { toISOString } = Date.prototype; // a date may have one of its own that says anything
const keyTexts = new Map();
let left = 0; // values
let room = 0; // characters of long strings

/**
 * Return the text of `data` as one JSON object (`{"value":…}` for what is no object), or null when
 * it takes the exact way: also when it throws, is nested too deep, or is larger than will be sent.
 */
function encode(data) {
  left = MAX_VALUES;
  room = MAX_DATA_BYTES;
  try {
    const isObject = typeof data === 'object' && data !== null && !Array.isArray(data);
    if (isObject && 'godot' in data) return null; // reserved
    const text = isObject
      ? valueText(data, MAX_DEPTH)
      : `{"value":${valueText(data, MAX_DEPTH - 1)}}`;
    return text[0] === '{' && text.length <= MAX_DATA_BYTES ? text : null;
  } catch {
    return null;
  }
}

function valueText(value, levels) {
  if (--left < 0) throw NOT_PLAIN;
  switch (typeof value) {
    case 'string':
      return stringText(value);
    case 'number':
      if (!(value < MAX_INT && value > -MAX_INT)) throw NOT_PLAIN;
      return `${value}`;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'undefined':
      return 'null'; // in a list
    case 'object':
      if (value === null) return 'null';
      if (levels === 0) throw NOT_PLAIN;
      return Array.isArray(value) ? arrayText(value, levels - 1) : objectText(value, levels - 1);
    default:
      throw NOT_PLAIN;
  }
}

function objectText(value, levels) {
  const proto = getPrototypeOf(value);
  if (proto !== Object.prototype && proto !== null) {
    if (proto === Date.prototype) return `"${toISOString.call(value)}"`;
    if (tagOf.call(value) !== '[object Object]') throw NOT_PLAIN;
  }
  if (value.toJSON !== undefined) throw NOT_PLAIN;
  let text = '';
  for (const key of keysOf(value)) {
    const item = value[key];
    if (item === undefined) continue;
    const known = keyTexts.get(key) ?? keyText(key);
    text += `${text === '' ? known.first : known.next}${valueText(item, levels)}`;
  }
  return text === '' ? '{}' : `${text}}`;
}

function arrayText(value, levels) {
  if (value.length > left || value.toJSON !== undefined) throw NOT_PLAIN;
  let text = '[';
  for (let i = 0; i < value.length; i++) {
    text += `${i ? ',' : ''}${valueText(value[i], levels)}`;
  }
  return `${text}]`;
}

function stringText(text) {
  if (text.length < SHORT && !UNUSUAL.test(text)) return `"${text}"`;
  room -= text.length;
  if (room < 0 || !isSafe(text)) throw NOT_PLAIN;
  return JSON.stringify(text);
}

/** Return a key's text, as the first of an object and after another. */
function keyText(key) {
  const text = `${stringText(key)}:`;
  const found = { first: `{${text}`, next: `,${text}` };
  const isUsual = key.length <= MAX_KEY_REMEMBERED && keyTexts.size < MAX_KEYS_REMEMBERED;
  if (isUsual) keyTexts.set(key, found);
  return found;
}

/** Return the text of what plain.js made: JSON values, and integers of 64 bits as BigInt. */
function plainText(value) {
  if (typeof value === 'bigint') return `${value}`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(plainText).join(',')}]`;
  return `{${keysOf(value).map((key) => `${JSON.stringify(key)}:${plainText(value[key])}`)}}`;
}

module.exports = { encode, plainText, MAX_VALUES };
