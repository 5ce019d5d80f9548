'use strict';
// Anything as text that UTF-8 and PostgreSQL can hold.

const { types } = require('node:util');

const MAX_TEXT_CHARS = 8_192; // of a text that had to be made out of something else

/** Replace NUL and lone surrogates by U+FFFD. */
function withoutUnsafe(text) {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

/** Say whether a text can be stored as it is. */
function isSafe(text) {
  return text.isWellFormed() && !text.includes('\0');
}

/** Say whether each character is one byte. */
function isAscii(text) {
  return Buffer.byteLength(text) === text.length;
}

/**
 * Return the beginning of at most `maxBytes` bytes, cut between characters. The copy does not keep
 * the long text alive, as a slice of it would.
 */
function beginning(text, maxBytes) {
  const raw = Buffer.from(text.slice(0, maxBytes));
  let end = Math.min(maxBytes, raw.length);
  while (end < raw.length && (raw[end] & 0xc0) === 0x80) end--;
  return raw.toString('utf8', 0, end);
}

/** Return at most `maxChars` characters (not UTF-16 units) of a text. */
function firstChars(text, maxChars) {
  return text.length <= maxChars ? text : Array.from(text).slice(0, maxChars).join('');
}

/** Return a text for any value, whatever it does when asked. */
function textOf(value) {
  try {
    if (typeof value === 'string') return value;
    if (isError(value)) return `${value.name}: ${value.message}`.slice(0, MAX_TEXT_CHARS);
    if (value instanceof Uint8Array) return Buffer.from(value).toString();
    if (typeof value === 'bigint') return digitsOf(value);
    if (typeof value === 'function') return `[Function ${value.name || 'anonymous'}]`;
    return String(value).slice(0, MAX_TEXT_CHARS);
  } catch {
    return `<unprintable ${kindOf(value)}>`;
  }
}

/** Say whether a value is an Error, of any realm; a proxy may throw even when asked that. */
function isError(value) {
  try {
    return types.isNativeError(value) || value instanceof Error;
  } catch {
    return false;
  }
}

/** Return the decimal digits; of a number with thousands of them the beginning in hex. */
function digitsOf(value) {
  if (BigInt.asIntN(14_000, value) === value) return String(value);
  return `${value < 0n ? '-' : ''}0x${(value < 0n ? -value : value).toString(16)}`.slice(
    0,
    MAX_TEXT_CHARS,
  );
}

/** Return the name of a value's class. */
function kindOf(value) {
  try {
    const name = Object.getPrototypeOf(value)?.constructor?.name;
    return typeof name === 'string' && name ? name.slice(0, 128) : typeof value;
  } catch {
    return typeof value;
  }
}

module.exports = {
  withoutUnsafe,
  isSafe,
  isAscii,
  beginning,
  firstChars,
  textOf,
  isError,
  digitsOf,
  kindOf,
};
