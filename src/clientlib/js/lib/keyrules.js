'use strict';
// Which keys hold secrets. A key is judged by its words, at any depth, in any case, with any of
// `_ - . space` or camelCase:
//
// - `password`, `API-Key`, `userPassword`, `x_auth_token`: the name is the key or ends it. Masked,
//   whatever the value is.
// - `token_count`, `passwordHash`, `tokens`: the name stands elsewhere in it. Text and containers
//   are masked, numbers and booleans stay, so that `max_tokens: 4096` remains readable.

const KEEP = 0;
const MASK_TEXT = 1;
const MASK_ALL = 2;

const MAX_KEYS_JUDGED = 4_096;
const MAX_KEY_JUDGED = 128; // characters, to be remembered
const LONG_NAME = 8; // a name this long is recognised inside a longer word: passwordhash
const SEPARATORS = /[-_. ]/g;
const WORDS = /\p{L}+/gu;
const CAMEL = /(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g;

/** The judgement over keys by a list of names; remembers what it decided. */
class KeyRules {
  #names;
  #judged = new Map();

  constructor(names) {
    this.#names = names.map((name) => ({ flat: flatOf(name), words: wordsOf(name) }));
  }

  verdict(key) {
    let found = this.#judged.get(key);
    if (found === undefined) {
      found = this.#judge(flatOf(key), wordsOf(key));
      const isUsual = key.length <= MAX_KEY_JUDGED && this.#judged.size < MAX_KEYS_JUDGED;
      if (isUsual) this.#judged.set(key, found);
    }
    return found;
  }

  #judge(flat, words) {
    // what other characters part, such as `api:key`, is no spelling of a name
    const names = this.#names.filter((name) => flat.includes(name.flat));
    for (const name of names) {
      if (flat === name.flat || ends(words, name.words)) return MASK_ALL;
      if (name.flat.length > 4 && flat.endsWith(name.flat)) return MASK_ALL;
    }
    for (const name of names) {
      if (contains(words, name.words) || name.flat.length >= LONG_NAME) return MASK_TEXT;
    }
    return KEEP;
  }
}

/** Return a name without case and separators. */
function flatOf(name) {
  return name.toLowerCase().replace(SEPARATORS, '');
}

function wordsOf(name) {
  return (name.replace(CAMEL, ' ').match(WORDS) ?? []).map((word) => word.toLowerCase());
}

function ends(words, sequence) {
  return sequence.length > 0 && matchesAt(words, words.length - sequence.length, sequence);
}

/** Find the words in a row; a plural counts (`tokens`, `api_keys`). */
function contains(words, sequence) {
  if (!sequence.length) return false;
  const plural = [...sequence.slice(0, -1), `${sequence.at(-1)}s`];
  return words.some((_, i) => matchesAt(words, i, sequence) || matchesAt(words, i, plural));
}

function matchesAt(words, start, sequence) {
  return start >= 0 && sequence.every((word, i) => words[start + i] === word);
}

/**
 * Return a pattern's source that finds every text in which one of the names may stand, however its
 * letters are spelled and separated: false alarms only cost time. Names that begin alike share
 * their beginning, so that a search tries each letter once.
 */
function needleSource(names) {
  const tree = new Map();
  for (const name of names) {
    let node = tree;
    for (const letter of lettersOf(name)) {
      if (!node.has(letter)) node.set(letter, new Map());
      node = node.get(letter);
    }
    node.set('', null); // a name ends here: what goes on behind it need not be looked for
  }
  return sourceOf(tree);
}

function lettersOf(name) {
  const flat = flatOf(name);
  const letters = flat.match(WORDS)?.join('') ?? '';
  return letters || flat;
}

function sourceOf(node) {
  if (node.has('')) return '';
  const branches = [...node].map(([letter, next]) => {
    const rest = sourceOf(next);
    return anyCase(letter) + (rest && `[^A-Za-z"\\\\\\n]*${rest}`);
  });
  return branches.length === 1 ? branches[0] : `(?:${branches.join('|')})`;
}

function anyCase(letter) {
  const escape = (text) => text.replace(/[\\\]^-]/g, '\\$&');
  const spellings = new Set([letter, letter.toLowerCase(), letter.toUpperCase()]);
  return `[${[...spellings]
    .filter((text) => text.length === 1)
    .map(escape)
    .join('')}]`;
}

module.exports = { KEEP, MASK_TEXT, MASK_ALL, KeyRules, needleSource, flatOf };
