'use strict';
// Which records are made at all: one gate per logger, read on every call.
//
// A gate is one number, so the check costs a compare, and a change is seen at once by children and
// by methods that were stored away. What decides, in this order: a level set from outside for the
// component, one for all components (`*`), the logger's own.

const { readLevel } = require('./record.js');

const ALL = '*';
const OFF = 1_000; // above every level: logging is disabled
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The gates of one stream's loggers, and what was set from outside. */
class Levels {
  #gates = new Set(); // of WeakRef: a logger may be forgotten
  #forget = new FinalizationRegistry((ref) => this.#gates.delete(ref));
  #pushed = new Map();
  #timer = null;

  /** Make the gate of a new logger. */
  gate(component, level, enabled) {
    const gate = new Gate(this, component, level, enabled);
    const ref = new WeakRef(gate);
    this.#gates.add(ref);
    this.#forget.register(gate, ref);
    return gate;
  }

  /** Say whether any logger is open. */
  get used() {
    return [...this.#gates].some((ref) => ref.deref()?.open);
  }

  /** Return the level set from outside for a component, or undefined. */
  pushedFor(component) {
    return this.#pushed.get(component) ?? this.#pushed.get(ALL);
  }

  /**
   * Take over what is set from outside, all of it: component or `*` to `LEVEL` or
   * `LEVEL expires_ms`. What cannot be read counts as not set; what expires returns by itself.
   */
  push(texts, nowMs = Date.now()) {
    this.#pushed.clear();
    let nextMs = Infinity;
    for (const [component, text] of texts) {
      const [name, expires] = text.split(' ');
      const expiresMs = expires === undefined ? Infinity : Number(expires);
      if (!(expiresMs > nowMs)) continue;
      try {
        this.#pushed.set(component, readLevel(name));
        nextMs = Math.min(nextMs, expiresMs);
      } catch {
        // not a level: not set
      }
    }
    clearTimeout(this.#timer);
    if (nextMs < Infinity) {
      this.#timer = setTimeout(() => this.push(texts), Math.min(nextMs - nowMs + 1, MAX_TIMER_MS));
      this.#timer.unref();
    }
    for (const ref of this.#gates) ref.deref()?.refresh();
  }
}

/** The lowest level that passes, as a number; shared by a logger and its children. */
class Gate {
  #levels;
  #component;
  #own;
  #enabled;

  constructor(levels, component, level, enabled) {
    this.#levels = levels;
    this.#component = component;
    this.#own = level;
    this.#enabled = enabled;
    this.open = enabled; // until the logger is closed
    this.level = OFF;
    this.refresh();
  }

  /** Change the logger's own level; a level set from outside still wins. */
  set(level) {
    this.#own = level;
    this.refresh();
  }

  refresh() {
    const decided = this.#levels.pushedFor(this.#component) ?? this.#own;
    this.level = this.#enabled ? decided : OFF;
  }
}

module.exports = { Levels };
