'use strict';
// What never leaves the process: values of secret-sounding keys (keyrules.js), and secrets known by
// their shape: bearer and basic credentials, JWTs, AWS and GitHub keys, private key blocks,
// passwords inside URLs, and `password=…` inside any text.
//
// Exact rules cost microseconds a record. So a batch is first searched as a whole by one regular
// expression (0.3 µs a record), and only records with a hit go through them. The search may be
// wrong in one direction only: a hit that is none costs time, nothing else.

const { KEEP, MASK_TEXT, KeyRules, needleSource, flatOf } = require('./keyrules.js');

const MASK = '[REDACTED]';
const DEFAULT_FIELDS = Object.freeze([
  'password',
  'passwd',
  'passphrase',
  'token',
  'api_key',
  'authorization',
  'secret',
  'cookie',
  'private_key',
]);

const MAX_NAME_BEFORE = 64;
const SHORTEST_KEY = 12; // that is searched for a secret inside it
const WORD = '\\p{L}\\p{N}_';
const START = `(?<![${WORD}])`; // \b before a word, in any alphabet
const SHAPES_SEARCH = 'AKIA|ASIA|eyJ|gh[pousr]_|github_pat_';
const BEARER = new RegExp(`(${START}[bB][eE][aA][rR][eE][rR]\\s+)[A-Za-z0-9._~+/=-]{8,}`, 'gu');
const SHAPES = new RegExp(
  `${START}(?:AKIA|ASIA)[0-9A-Z]{16}(?![${WORD}])` +
    `|${START}(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})` +
    '|-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----' +
    '.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|$)',
  'gsu',
);
// Both take a whole run of their characters and decide afterwards: what the run as a whole lacks (a
// dot, an @) no part of it has, and searching it again from each part is quadratic.
const JWT = new RegExp(`${START}eyJ[A-Za-z0-9_-]{8,}((?:\\.[A-Za-z0-9_-]*){1,2})?`, 'gu');
const URL_PASSWORD = new RegExp(
  `(${START}[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\\s/:@"'<>]*:)(?!\\d+(?:[/?#]|$))([^\\s"'<>]+)`,
  'gu',
);
// The value of a pair, or its beginning: a quoted text goes on up to the quote that closes it,
// however often all of it was escaped; a list, an object or a call up to its last bracket. Of a
// header's credentials the scheme stays, unless they are several pairs themselves.
const QUOTE = `\\\\{0,16}["']`;
const VALUE = new RegExp(
  '\\s{0,8}(?:(?:basic|bearer|token|api-?key|ntlm|negotiate)[ \\t]+)?' +
    `(?:(${QUOTE})|(?!\\[REDACTED\\])([${WORD}.]{0,64}[[({])` +
    '|(\\[REDACTED\\]|(?:digest|oauth|hawk|aws4[\\w-]*)[ \\t].+' +
    `|(?:[^\\s"'\\\\,;&}\\])]|(?<=[${WORD}])["'](?=[${WORD}]))+))`,
  'diuy',
);
const MARKS = /(?<!\\)\\*["']|[[({\])}]/g;
// A cookie header is several pairs, and each of them is the cookie.
const COOKIES = /(cookie\\{0,16}["']?\s{0,8}[:=]\s{0,8}\\{0,16}["']?)[^\s"'\\;]+(?:;\s*[^\s"'\\;]+)*/giu;
const NUMBER = /^(?:true|false|null|none|(?=.*\p{Nd})\p{Nd}*\.?\p{Nd}*)$/iu;
const NAME_CHARACTER = new RegExp(`[${WORD}.-]`, 'u');

/** The rules of one logger: the standard fields and its own, and whether shapes count. */
class Redactor {
  #keys;
  #search;
  #pairs;

  /** `fields` is a list of names, or one text with commas between them. */
  constructor(/** @type {Iterable<string>} */ fields = [], values = true) {
    const names = new Map();
    const own = typeof fields === 'string' ? fields.split(',') : fields;
    for (const name of [...DEFAULT_FIELDS, ...own]) {
      const flat = flatOf(name);
      if (flat && !names.has(flat)) names.set(flat, name);
    }
    this.fields = [...names.values()];
    this.values = values;
    this.#keys = new KeyRules(this.fields);
    const needles = needleSource(values ? [...this.fields, 'bearer'] : this.fields);
    this.#search = new RegExp(values ? `${needles}|${SHAPES_SEARCH}` : needles);
    // `password=…`, `"token": "…"`, `?api_key=…`: the name, up to where its value begins.
    const loose = [...this.fields].sort((a, b) => b.length - a.length).map(looseSource);
    const name = `(?:${loose.join('|')})[${WORD}.-]{0,40}`;
    const between = `(?:${QUOTE})?(?:\\]|%5D)?\\s{0,8}(?:=>|!?={1,3}|:=?)`;
    this.#pairs = new RegExp(`(${name})${between}`, 'dgiu');
  }

  /** Say whether text (of a message, or of encoded data) may hold a secret: the cheap pass. */
  suspects(text) {
    if (this.#search.test(text)) return true;
    return this.values && text.includes('@') && text.includes('://');
  }

  /** Return a copy of plain data without its secrets. */
  data(value) {
    if (typeof value === 'string') return this.text(value);
    if (typeof value !== 'object' || value === null) return value;
    return Array.isArray(value) ? value.map((item) => this.#item(item)) : this.mapping(value);
  }

  /** Return a copy of a plain object without its secrets. */
  mapping(value) {
    const found = Object.create(null);
    let again = 1;
    for (const key of Object.keys(value)) {
      const shown = [...key].length < SHORTEST_KEY ? key : this.text(key);
      let name = shown;
      while (name in found) name = `${shown}_${++again}`;
      found[name] = this.#judged(key, value[key]);
    }
    return found;
  }

  /** Return a message or other text without its secrets. */
  text(text) {
    if (!this.values || !this.suspects(text)) return text;
    let found = this.#withoutPairs(text);
    if (/ookie/i.test(found)) found = found.replace(COOKIES, `$1${MASK}`);
    if (found.includes('@') && found.includes('://')) found = found.replace(URL_PASSWORD, maskedUrl);
    found = found.replace(BEARER, `$1${MASK}`);
    // after `bearer`, whose tokens may go on behind it; before what it may hold
    if (found.includes('eyJ')) found = found.replace(JWT, (run, dots) => (dots ? MASK : run));
    return found.replace(SHAPES, MASK);
  }

  /** Judge the first of two texts like a key: headers come as lists of them. */
  #item(item) {
    const [key, value] = Array.isArray(item) && item.length === 2 ? item : [];
    if (typeof key !== 'string' || typeof value !== 'string') return this.data(item);
    return [this.text(key), this.#judged(key, value)];
  }

  #judged(key, item) {
    const verdict = this.#keys.verdict(key);
    if (verdict === KEEP) return this.data(item);
    const isText = typeof item === 'string' || (typeof item === 'object' && item !== null);
    return verdict === MASK_TEXT && !isText ? item : MASK;
  }

  /**
   * Mask the values of pairs; a value is read only once its name says that it counts. A value that
   * stays may hold pairs itself, so the search goes on right after the name.
   */
  #withoutPairs(text) {
    let kept = '';
    let done = 0;
    let torn = false; // something is never closed; to look to the end for each would be quadratic
    this.#pairs.lastIndex = 0;
    for (let match; (match = this.#pairs.exec(text)) !== null;) {
      const [start, end] = match.indices[1];
      this.#pairs.lastIndex = end;
      const verdict = this.#keys.verdict(wholeKey(text, start, end));
      if (verdict === KEEP) continue;
      VALUE.lastIndex = match.index + match[0].length;
      const value = VALUE.exec(text);
      if (value === null) continue;
      const [, quote = '', opened, run] = value;
      let [from, to] = value.indices[quote ? 1 : opened ? 2 : 3];
      if (!run) {
        if (quote) from = to;
        const line = text.indexOf('\n', to);
        const end = line < 0 ? text.length : line;
        const closed = closedAt(text, to, torn ? end : text.length, quote);
        torn ||= !closed;
        to = closed || end;
      }
      if (verdict === MASK_TEXT && !opened && NUMBER.test(text.slice(from, to))) continue;
      kept += text.slice(done, from) + MASK;
      done = to;
      this.#pairs.lastIndex = to;
    }
    return kept + text.slice(done);
  }
}

/** Return the key that the name is the end of: `access_` belongs to `token`. */
function wholeKey(text, nameStart, end) {
  let start = nameStart;
  const first = Math.max(0, start - MAX_NAME_BEFORE);
  while (start > first && NAME_CHARACTER.test(text[start - 1])) start--;
  return text.slice(start, end);
}

/**
 * Return where a quoted text ends, or else a bracket that was opened just before, with it; else 0.
 * What opens a text closes it, with as many backslashes before it: where there are more, it may be
 * part of the text, as JSON or as Python escapes it, or both in turn.
 */
function closedAt(text, start, limit, quote) {
  let depth = quote ? 0 : 1;
  let inside = quote;
  MARKS.lastIndex = start;
  for (let match; (match = MARKS.exec(text)) !== null && MARKS.lastIndex <= limit;) {
    const [mark] = match;
    if (inside) {
      if (mark === inside) inside = '';
    } else if ('[({'.includes(mark)) depth++;
    else if ('])}'.includes(mark)) depth--;
    else inside = mark;
    if (!inside && !depth) return MARKS.lastIndex - quote.length;
  }
  return 0;
}

/** Mask up to the last at sign: a password may hold one that nobody escaped. */
function maskedUrl(whole, url, run) {
  const at = run.lastIndexOf('@');
  return at > 0 ? `${url}${MASK}@${run.slice(at + 1)}` : whole;
}

/** Return a pattern for the name with any separators between its words. */
function looseSource(name) {
  const words = name.split(/[-_. ]+/).filter(Boolean);
  return (
    words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('[-_. ]?') || '(?!)'
  );
}

const STANDARD = new Redactor();

module.exports = { Redactor, STANDARD, MASK, DEFAULT_FIELDS };
