'use strict';
// The server's replies out of the bytes in which they come: what of RESP2 and RESP3 it answers to the
// commands that are sent here.
//
// Nearly all are ids of new stream entries, and nobody wants their text: a reply that is one string
// counts as null, and is passed over without being made into a text.

const NOT_WHOLE = Symbol();
const TEXT = 36; // $
const PUSH = 62; // >
const LINES = '+:_#'; // of types that are one line
const OTHERS = '-$*~>%';

class Replies {
  #onReply;
  #onPush;
  #bytes = Buffer.alloc(0); // what was not a whole reply yet
  #at = 0;

  /** `onReply` takes null, an Error, a text or a list (of a map: its keys and values in turn). */
  constructor(onReply, onPush) {
    this.#onReply = onReply;
    this.#onPush = onPush;
  }

  /** Take bytes in; throws when they are no RESP. */
  take(bytes) {
    this.#bytes = this.#bytes.length ? Buffer.concat([this.#bytes, bytes]) : bytes;
    let whole = 0;
    this.#at = 0;
    try {
      for (; whole < this.#bytes.length; whole = this.#at) this.#one(this.#bytes[whole]);
    } catch (error) {
      if (error !== NOT_WHOLE) throw error;
    }
    this.#bytes = this.#bytes.subarray(whole);
  }

  #one(type) {
    if (type === TEXT) this.#passOver();
    else if (type === PUSH) this.#onPush(this.#value());
    else this.#onReply(this.#value());
  }

  #passOver() {
    let at = this.#at + 1;
    let length = 0;
    for (let digit; (digit = this.#bytes[at] - 48) >= 0; at++) length = 10 * length + digit;
    this.#at = at + length + 4; // both ends of line; `-1` instead of a text is as long
    if (this.#at > this.#bytes.length) throw NOT_WHOLE;
    this.#onReply(null);
  }

  #value() {
    if (this.#at === this.#bytes.length) throw NOT_WHOLE;
    const type = String.fromCharCode(this.#bytes[this.#at]);
    const isLine = LINES.includes(type);
    if (!isLine && !OTHERS.includes(type)) throw new Error(`it begins with ${type}`);
    const end = this.#bytes.indexOf('\r\n', this.#at);
    if (end === -1) throw NOT_WHOLE;
    const line = this.#bytes.toString('utf8', this.#at + 1, end);
    this.#at = end + 2;
    if (isLine) return line;
    if (type === '-') return new Error(line);
    const length = Number(line);
    if (length < 0) return null;
    if (type !== '$') {
      return Array.from({ length: type === '%' ? 2 * length : length }, () => this.#value());
    }
    this.#at += length + 2;
    if (this.#at > this.#bytes.length) throw NOT_WHOLE;
    return this.#bytes.toString('utf8', end + 2, end + 2 + length);
  }
}

module.exports = { Replies };
