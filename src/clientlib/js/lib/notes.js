'use strict';
// What had to be changed in one record; becomes `data.godot`.

const { beginning, isSafe, withoutUnsafe } = require('./text.js');

class Notes {
  truncated = {}; // field -> original bytes
  omitted = []; // top-level keys left out, by name
  omittedKeys = 0;
  cleaned = new Set();
  lostBytes = 0; // cut off single strings already, on the way to the limit

  /** `level` is the original of a level given by alias. */
  constructor(level = null) {
    this.level = level;
  }

  get empty() {
    return (
      this.level === null &&
      this.cleaned.size === 0 &&
      this.omittedKeys === 0 &&
      Object.keys(this.truncated).length === 0
    );
  }

  /** Return a field's text, cleaned and cut to `maxBytes`, and note both. */
  text(field, value, maxBytes) {
    let text = value;
    const bytes = Buffer.byteLength(value);
    if (bytes > maxBytes) {
      this.truncated[field] ??= bytes;
      text = beginning(value, maxBytes);
    }
    if (isSafe(text)) return text;
    this.cleaned.add('characters');
    return withoutUnsafe(text);
  }

  /** Return the text of the notes in their fixed order. */
  toString() {
    const found = {};
    if (this.level !== null) found.level = this.level;
    if (Object.keys(this.truncated).length) found.truncated = this.truncated;
    if (this.omitted.length) found.omitted = this.omitted;
    if (this.omittedKeys > this.omitted.length) found.omitted_keys = this.omittedKeys;
    if (this.cleaned.size) found.cleaned = [...this.cleaned].sort();
    return JSON.stringify(found);
  }

  /** Return the bytes that the notes take inside the data. */
  get room() {
    return this.empty ? 0 : Buffer.byteLength(`,"godot":${this}`);
  }
}

module.exports = { Notes };
