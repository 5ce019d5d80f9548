'use strict';
// Levels set from outside, seen by running programs: the hash `{stream}:levels`, and a channel of
// the same name that tells when it changes.
//
// Both are read over the sender's own connection, so it is opened soon after the first logger is
// made, also by a program that logs nothing, and again when it is lost. The hash is read when word
// comes, with every new connection, and twice a minute in case word was lost, which also tells that
// an idle connection leads nowhere. Where the server cannot tell by itself it is asked every two
// seconds. Whatever fails here is no outage and is not told: records are what matters.

const FIRST_LOOK_MS = 50; // a program that ends at once needs no connection
const ASK_OFTEN_MS = 2_000; // where the server cannot tell by itself
const ASK_EVERY_MS = 30_000;
const FIRST_AGAIN_MS = 100;
const LAST_AGAIN_MS = 5_000;

class Watch {
  #key;
  #transport;
  #levels;
  #askEveryMs;
  #timer = null;
  #retryMs = FIRST_AGAIN_MS;
  #started = false;

  constructor(stream, transport, levels, askEveryMs = ASK_EVERY_MS) {
    this.#key = `${stream}:levels`;
    this.#transport = transport;
    this.#levels = levels;
    this.#askEveryMs = askEveryMs;
  }

  /** Begin, unless it was begun. */
  start() {
    if (this.#started) return;
    this.#started = true;
    this.#after(FIRST_LOOK_MS, () => this.#connect());
  }

  /** Forget what was set from outside: nobody would notice that it is over. */
  stop() {
    this.#started = false;
    clearTimeout(this.#timer);
    this.#levels.push([]);
  }

  /** The connection is ready: subscribe, then read, in this order, so that no change is missed. */
  async read() {
    this.#retryMs = FIRST_AGAIN_MS;
    let told = this.#transport.pushes;
    if (told) told = await this.#tried(['SUBSCRIBE', this.#key], () => {});
    await this.#ask(told);
  }

  /** The server told something. */
  pushed(kind, channel) {
    if (kind === 'message' && channel === this.#key) void this.#readAll();
  }

  /** The connection was lost while nobody used it. */
  lost() {
    if (this.#started) this.#after(this.#retryMs, () => this.#connect());
  }

  async #connect() {
    if (this.#transport.connected || (await this.#transport.connect())) return;
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_AGAIN_MS);
    if (this.#started) this.#after(this.#retryMs, () => this.#connect());
  }

  async #ask(told) {
    const known = await this.#readAll();
    const ms = known && !told ? ASK_OFTEN_MS : this.#askEveryMs;
    if (this.#transport.connected) this.#after(ms, () => this.#ask(told));
    else this.lost();
  }

  #readAll() {
    return this.#tried(['HGETALL', this.#key], (found) => {
      this.#levels.push(pairs(found));
    });
  }

  async #tried(parts, use) {
    try {
      use(await this.#transport.ask(parts));
      return true;
    } catch {
      return false;
    }
  }

  #after(ms, act) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, ms).unref();
  }
}

/** Return the entries of a flat list. */
function pairs(list) {
  return list.filter((_, i) => i % 2 === 0).map((name, i) => [name, list[2 * i + 1]]);
}

module.exports = { Watch };
