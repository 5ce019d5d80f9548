'use strict';
// First in, first out, in constant time at both ends: Array.prototype.shift copies the whole rest.

const WORTH_CUTTING = 1_024;

class Fifo {
  #items = [];
  #head = 0;

  get length() {
    return this.#items.length - this.#head;
  }

  /** The oldest item, or undefined. */
  get first() {
    return this.at(0);
  }

  push(item) {
    this.#items.push(item);
  }

  shift() {
    if (!this.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    this.#cut();
    return item;
  }

  /** Remove and return the oldest items, at most `n`. */
  take(n) {
    const taken = this.#items.slice(this.#head, this.#head + n);
    this.#items.fill(undefined, this.#head, this.#head + taken.length);
    this.#head += taken.length;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    }
    this.#cut();
    return taken;
  }

  /** Put items back in front, in their order. */
  putBack(items) {
    if (items.length) {
      this.#items = [...items, ...this.#items.slice(this.#head)];
      this.#head = 0;
    }
  }

  /** Return the `n`th oldest item, counted from 0, or undefined. */
  at(n) {
    return this.#items[this.#head + n];
  }

  #cut() {
    if (this.#head >= WORTH_CUTTING && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }
}

module.exports = { Fifo };
