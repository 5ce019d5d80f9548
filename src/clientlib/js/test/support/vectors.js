'use strict';
// The golden vectors of tests/vectors, with their shorthands expanded (see the README there).

const fs = require('node:fs');
const path = require('node:path');

const FOLDER = path.resolve(__dirname, '../../../../../tests/vectors');
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR'];

const SHORTHANDS = {
  $repeat: ([text, n]) => text.repeat(n),
  $list: ([item, n]) => Array.from({ length: n }, () => expand(item)),
  $concat: (parts) => parts.map(expand).join(''),
  $float: (text) => Number(text),
  $int: (text) => BigInt(text),
  $bytes: (text) => Buffer.from(text, 'hex'),
  hex: (text) => Buffer.from(text, 'hex'),
  $nested: (n) => nested(1, n),
  $cut: (n) => ({ ...nested('[TOO DEEP]', n), godot: { cleaned: ['depth'] } }),
};

/** Return the cases of `encode` or `decode`, expanded, with the file's defaults filled in. */
function cases(name) {
  const { defaults, cases: found } = JSON.parse(fs.readFileSync(path.join(FOLDER, `${name}.json`)));
  const key = name === 'encode' ? 'given' : 'entry';
  return found.map((one) => expand({ ...one, [key]: { ...defaults, ...one[key] } }));
}

/** Return the cases of `encode` that a logger, which makes its own id and time, must meet. */
function forLoggers() {
  return cases('encode').filter(
    ({ error, given, fields }) =>
      !error &&
      !('created_at' in fields) &&
      given.component.length <= 128 &&
      LEVELS.includes(given.level),
  );
}

function expand(value) {
  if (Array.isArray(value)) return value.map(expand);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  if (entries.length === 1 && Object.hasOwn(SHORTHANDS, entries[0][0])) {
    return SHORTHANDS[entries[0][0]](entries[0][1]);
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, expand(item)]));
}

function nested(innermost, levels) {
  let found = { n: innermost };
  for (let i = 1; i < levels; i++) found = { n: found };
  return found;
}

module.exports = { cases, forLoggers, expand };
