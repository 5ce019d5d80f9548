'use strict';
// The wire format's levels and limits; tests/vectors hold both languages to them.

const MAX_COMPONENT_CHARS = 128;
const MAX_TRACE_CHARS = 128;
const MAX_MESSAGE_BYTES = 65_536;
const MAX_DATA_BYTES = 262_144;
const MAX_DEPTH = 32;

const Level = Object.freeze({ TRACE: 5, DEBUG: 10, INFO: 20, WARN: 30, ERROR: 40 });
const NAMES = Object.freeze(Object.keys(Level));
const ALIASES = { WARNING: 'WARN', CRITICAL: 'ERROR', FATAL: 'ERROR' };
const UUID_TEXT = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/**
 * Return the level and, for an alias that says more (CRITICAL, FATAL), the original name.
 * Throws RangeError for a text that is neither.
 */
function parseLevel(text) {
  const name = String(text).trim().toUpperCase();
  if (Object.hasOwn(Level, name)) return { level: Level[name], original: null };
  if (!Object.hasOwn(ALIASES, name)) throw new RangeError(`unknown level, not ${NAMES.join(', ')}`);
  return { level: Level[ALIASES[name]], original: name === 'WARNING' ? null : name };
}

/** Return a level from its name, alias or number; throw RangeError for anything else. */
function readLevel(value) {
  if (typeof value === 'string') return parseLevel(value).level;
  if (Number.isInteger(value)) return levelOfNumber(value);
  throw new RangeError('a level is a name or a whole number');
}

/** Return the level that a number falls into. */
function levelOfNumber(number) {
  for (const name of ['ERROR', 'WARN', 'INFO', 'DEBUG']) {
    if (number >= Level[name]) return Level[name];
  }
  return Level.TRACE;
}

/**
 * Return a UUID or 32-hex id in lower case with hyphens, anything else as it is.
 * One trace must not be stored under two spellings: traceparent carries 32 hex digits.
 */
function normalTraceId(text) {
  if ((text.length !== 32 && text.length !== 36) || !UUID_TEXT.test(text)) return text;
  const hex = text.replaceAll('-', '').toLowerCase();
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return `${parts.join('-')}-${hex.slice(20)}`;
}

module.exports = {
  MAX_COMPONENT_CHARS,
  MAX_TRACE_CHARS,
  MAX_MESSAGE_BYTES,
  MAX_DATA_BYTES,
  MAX_DEPTH,
  Level,
  NAMES,
  parseLevel,
  readLevel,
  levelOfNumber,
  normalTraceId,
};
