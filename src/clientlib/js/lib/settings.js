'use strict';
// The client's settings from the environment, and what to do about wrong ones.
//
// A wrong argument is a bug of the programmer and throws ConfigError at construction. A wrong
// variable is found by whoever starts the program, who wants it to run: one line on stderr says
// what is wrong, and the default is used. `NAME_FILE` names a file that holds the value of `NAME`.

const fs = require('node:fs');
const path = require('node:path');
const { inspect } = require('node:util');
const { readEndpoint } = require('./endpoint.js');
const { ConfigError } = require('./errors.js');
const { MAX_COMPONENT_CHARS, Level, NAMES, readLevel } = require('./record.js');
const { firstChars } = require('./text.js');
const { readUrl } = require('./url.js');

const DEFAULT_REDIS_URL = 'redis://127.0.0.1:6379/0';
const URLS =
  'redis://host:port/db, rediss://… or unix:///path?db=0 (clusters need shards: not built)';
const TRUE = ['true', '1', 'yes', 'on'];
const FALSE = ['false', '0', 'no', 'off'];

const TABLE = [
  setting('LOGGING_ENABLED', 'enabled', readSwitch, true, 'true or false'),
  setting('GODOT_COMPONENT', 'component', readComponent, null, '1 to 128 characters'),
  setting('GODOT_LEVEL', 'level', readLevel, Level.INFO, NAMES.join(', ')),
  setting('GODOT_REDACT_FIELDS', 'redactFields', readNames, [], 'names, separated by commas'),
  setting('GODOT_REDIS_URL', 'redisUrl', readRedisUrl, DEFAULT_REDIS_URL, URLS, 'redis_url'),
  setting('GODOT_STREAM', 'stream', readWord, 'logs', 'a key name without spaces', 'stream'),
  setting('GODOT_MAXLEN', 'maxlen', whole(1_000, 1e8), 100_000, '1000 to 100000000 entries'),
  setting('GODOT_BUFFER_RECORDS', 'bufferRecords', whole(1, 1e7), 10_000, '1 to 10000000'),
  setting(
    ...['GODOT_BUFFER_BYTES', 'bufferBytes', whole(65_536, 2 ** 40), 33_554_432],
    '65536 bytes or more',
  ),
  setting('GODOT_FLUSH_TIMEOUT_S', 'flushTimeoutS', readSeconds, 2, '0 to 3600 seconds'),
];

/**
 * Return the settings: options (undefined: not given), then environment, a running stack's,
 * defaults; `redisUrlGiven` says whether anybody chose the server. Throws ConfigError for a wrong
 * option; a wrong variable is one line to `complain`.
 */
function load(options, complain, env = process.env) {
  let endpoint = null;
  const found = { redisUrlGiven: true };
  for (const one of TABLE) {
    const given = options[one.option];
    if (given !== undefined && given !== null) {
      found[one.option] = fromOption(one, given);
      continue;
    }
    let value = fromVariable(one, env, complain);
    if (one.option === 'redisUrl') found.redisUrlGiven = value !== undefined;
    if (value === undefined && one.endpointKey) {
      endpoint ??= readEndpoint(env);
      value = nonEmpty(endpoint[one.endpointKey]);
    }
    found[one.option] = value ?? one.fallback;
  }
  found.component ??= programName();
  if (options.redactFields !== undefined && options.redactFields !== null) {
    // an option never takes the place of the variable's names
    const names = TABLE.find(({ option }) => option === 'redactFields');
    found.redactFields = [...found.redactFields, ...(fromVariable(names, env, complain) ?? [])];
  }
  return found;
}

/** Return the URL for a program that was given none: a running stack's, else the default. */
function foundRedisUrl(env = process.env) {
  return nonEmpty(readEndpoint(env).redis_url) ?? DEFAULT_REDIS_URL;
}

/** Return a component for programs that name none: the script's or its folder's name. */
function programName(script = process.argv[1] ?? '') {
  const { name, dir } = path.parse(script);
  const found = name === 'index' ? path.basename(dir) : name;
  return firstChars(found, MAX_COMPONENT_CHARS).trim() || 'node';
}

function fromOption(one, given) {
  try {
    if (one.option === 'level') return readLevel(given);
    if (one.option === 'enabled' && typeof given === 'boolean') return given;
    if (one.option === 'redactFields' && typeof given !== 'string') return [...given].map(String);
    if (typeof given === 'string' || typeof given === 'number') return one.read(String(given));
  } catch {
    // told below
  }
  const shown = one.secret ? '(hidden)' : firstChars(inspect(given, { depth: 0 }), 80);
  throw new ConfigError(`${one.option}=${shown} is not usable: allowed is ${one.allowed}`);
}

function fromVariable(one, env, complain) {
  let name = one.variable;
  let text = env[name];
  let isRead = true;
  try {
    if (!text && env[`${name}_FILE`]) {
      name = `${name}_FILE`;
      text = env[name];
      isRead = false;
      text = fs.readFileSync(text, 'utf8').trim();
      isRead = true;
    }
    return text ? one.read(text) : undefined;
  } catch {
    const shown = one.secret && isRead ? '(hidden)' : firstChars(inspect(text), 80);
    const instead = one.fallback === null ? 'the default' : inspect(one.fallback);
    complain(`${name}=${shown} is not usable: allowed is ${one.allowed}; using ${instead}`);
    return undefined;
  }
}

/** One setting: its variable, the option's name, how to read it, the default, what is allowed. */
function setting(variable, option, read, fallback, allowed, endpointKey = null) {
  return { variable, option, read, fallback, allowed, endpointKey, secret: option === 'redisUrl' };
}

function nonEmpty(value) {
  return typeof value === 'string' && value ? value : undefined;
}

function check(holds) {
  if (!holds) throw new RangeError('not allowed');
}

function readSwitch(text) {
  const word = text.trim().toLowerCase();
  check(TRUE.includes(word) || FALSE.includes(word));
  return TRUE.includes(word);
}

function readComponent(text) {
  check(text.trim() && firstChars(text, MAX_COMPONENT_CHARS) === text);
  return text;
}

function readNames(text) {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
}

function readRedisUrl(text) {
  readUrl(text);
  return text;
}

function readWord(text) {
  check(text && text.length <= 128 && !/[\s\p{C}]/u.test(text));
  return text;
}

function whole(low, high) {
  return (text) => {
    check(/^\s*\+?\d+\s*$/.test(text) && Number(text) >= low && Number(text) <= high);
    return Number(text);
  };
}

function readSeconds(text) {
  check(text.trim() && Number(text) >= 0 && Number(text) <= 3_600);
  return Number(text);
}

module.exports = { load, foundRedisUrl, programName, DEFAULT_REDIS_URL };
