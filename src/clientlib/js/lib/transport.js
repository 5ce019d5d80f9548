'use strict';
// The connection to Redis: the only place that knows node-redis.
//
// node-redis brings the socket (TCP, TLS, unix, time limits); of its 480 modules these few are
// loaded, and its command queue is not used: it takes 35 µs of CPU a record, packed commands 5. Its
// own reconnecting is off: only the sender knows that an XADD with the same record id is safe to
// repeat. This is an inner module of node-redis, so its minor version is pinned.

const { MASK } = require('./redaction.js');
const { Replies } = require('./replies.js');
const { command } = require('./resp.js');
const { readUrl } = require('./url.js');

const CONNECT_TIMEOUT_MS = 1_000;
const REPLY_TIMEOUT_MS = 2_000;
const SILENT = 'no answer in time';

/** One connection, made when it is needed and dropped at the first sign of trouble. */
class Transport {
  #lookUp;
  #onReady;
  #onPush;
  #onClosed;
  #server; // what the URL says
  #socket = null;
  #connecting = null;
  #expected = []; // {count, replies, resolve}, in the order of their commands
  #timer = null;
  #limitMs = Infinity; // in force for the step that is waited for
  pushes = false; // the connection speaks RESP3

  /**
   * `lookUp` is asked for the URL before each connection when nobody gave one. `onReady` is called
   * (not awaited) once connected, `onPush(kind, channel)` for what the server sends by itself,
   * `onClosed` when a connection that nobody waited for is gone.
   */
  constructor(
    url,
    {
      lookUp = null,
      onReady = () => {},
      onPush = (_kind, _channel) => {},
      onClosed = () => {},
    } = {},
  ) {
    this.url = url;
    this.#server = readUrl(url);
    this.#lookUp = lookUp;
    this.#onReady = onReady;
    this.#onPush = onPush;
    this.#onClosed = onClosed;
  }

  /** The server's address as it may be shown: no user, no password, no options. */
  get place() {
    return this.#server.place;
  }

  get connected() {
    return this.#socket !== null && this.#connecting === null;
  }

  /**
   * Send `count` commands, packed in buffers, connecting first if need be, and wait for one reply for
   * each. Never rejects: `replies` has null for what was taken, else the server's reason; when the connection
   * broke, `broken` says why and replies are missing at the end: those commands may have been taken
   * or not. `silent` says that it broke because the time for an answer was over.
   *
   * A connection that was kept and turns out to be closed is made anew once, and the commands are
   * sent again: XADD with the same ids, HSET and PING are safe to repeat. `patienceMs` shortens the
   * wait for each step, for a program that is about to end.
   */
  async exchange(packed, count, patienceMs = Infinity) {
    const kept = this.connected;
    const answers = await this.#exchange(packed, count, patienceMs);
    if (kept && answers.broken && !answers.replies.length && !answers.silent) {
      return this.#exchange(packed, count, patienceMs);
    }
    return answers;
  }

  /** Connect unless connected; say whether it worked. */
  async connect(patienceMs = Infinity) {
    try {
      await this.#connected(patienceMs);
      return true;
    } catch {
      return false;
    }
  }

  /** Send one command on the open connection; return its value, or throw. */
  async ask(parts) {
    const { replies, broken } = await this.#send([command(parts)], 1);
    if (broken) throw new Error(broken);
    if (replies[0] instanceof Error) throw replies[0];
    return replies[0];
  }

  /** Wait no longer than this for the step that is under way. */
  hurry(ms) {
    this.#limitMs = Math.min(this.#limitMs, ms);
    if (this.#expected.length) this.#arm();
  }

  /** Drop the connection; nothing is sent. */
  close() {
    this.#broken(this.#socket, 'closed', true);
  }

  async #exchange(packed, count, patienceMs) {
    this.#limitMs = patienceMs;
    try {
      await this.#connected(patienceMs);
    } catch (error) {
      return { replies: [], broken: this.#reason(error), silent: error.message === SILENT };
    }
    const { replies: found, broken } = await this.#send(packed, count);
    const replies = found.map((reply) => (reply instanceof Error ? this.#reason(reply) : null));
    // another server may be the master by now: its name is asked for anew
    if (replies.some((reason) => reason?.startsWith('READONLY'))) this.close();
    return {
      replies,
      broken: broken && this.#masked(broken),
      silent: broken === SILENT,
    };
  }

  #send(packed, count) {
    return new Promise((resolve) => {
      if (this.#socket === null) {
        resolve({ replies: [], broken: 'not connected' });
        return;
      }
      this.#expected.push({ count, replies: [], resolve });
      this.#arm();
      this.#socket.write([packed]);
    });
  }

  /** Several may ask for the connection at once: they share one attempt. */
  async #connected(patienceMs) {
    if (this.connected) return;
    this.#connecting ??= this.#connect(patienceMs).finally(() => (this.#connecting = null));
    await this.#connecting;
  }

  async #connect(patienceMs) {
    const url = this.#lookUp?.();
    if (url && url !== this.url) {
      this.url = url;
      this.#server = readUrl(url);
    }
    const { default: RedisSocket } = require('@redis/client/dist/lib/client/socket.js');
    const found = new Replies(
      (reply) => this.#replied(socket, reply),
      (push) => this.#pushed(socket, push),
    );
    const connectTimeout = Math.min(
      this.#server.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      patienceMs,
    );
    const socket = new RedisSocket(() => this.#greet(socket), undefined, {
      ...this.#server.socket,
      connectTimeout,
      reconnectStrategy: false,
    });
    socket.on('data', (bytes) => {
      try {
        found.take(bytes);
        if (socket !== this.#socket) return;
        this.#arm();
      } catch (error) {
        this.#broken(socket, `not RESP: ${error.message}`);
      }
    });
    socket.on('error', (error) => this.#broken(socket, error.code ?? error.message));
    socket.unref(); // whoever must keep the process alive does so with a timer of his own
    this.#limitMs = patienceMs;
    await socket.connect();
    this.#onReady();
  }

  /** Introduce ourselves. With RESP3 the server can tell of changed levels by itself. */
  async #greet(socket) {
    this.#socket = socket;
    const { username, password, database } = this.#server;
    const credentials = password === '' ? [] : [username || 'default', password];
    this.pushes = true;
    try {
      await this.ask(['HELLO', '3', ...(credentials.length ? ['AUTH', ...credentials] : [])]);
    } catch (error) {
      if (!/^(NOPROTO|NOPERM|ERR unknown command)/.test(error.message)) throw error;
      this.pushes = false;
      if (credentials.length) await this.ask(['AUTH', ...credentials.slice(username ? 0 : 1)]);
    }
    if (database) await this.ask(['SELECT', database]);
  }

  #replied(socket, reply) {
    const expected = this.#expected[0];
    if (socket !== this.#socket || expected === undefined) return;
    expected.replies.push(reply);
    if (expected.replies.length === expected.count) {
      this.#expected.shift();
      expected.resolve({ replies: expected.replies, broken: null });
    }
  }

  /** A subscription is confirmed by a push, in place of its reply. */
  #pushed(socket, push) {
    if (socket !== this.#socket) return;
    const [kind, channel] = push;
    if (kind === 'subscribe') this.#replied(socket, channel);
    else this.#onPush(kind, channel);
  }

  #broken(socket, reason, wanted = false) {
    if (socket === null || socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#timer);
    socket.destroy();
    const expected = this.#expected;
    this.#expected = [];
    for (const { replies, resolve } of expected) resolve({ replies, broken: String(reason) });
    if (!expected.length && !wanted) this.#onClosed();
  }

  /**
   * Wait for the next reply, from now on. One that came while the event loop stood still is read
   * after the timers, so a turn is waited for.
   */
  #arm() {
    clearTimeout(this.#timer);
    this.#timer = null;
    if (!this.#expected.length) return;
    const socket = this.#socket;
    const late = () => timer === this.#timer && this.#broken(socket, SILENT);
    const ms = Math.min(this.#server.replyTimeoutMs ?? REPLY_TIMEOUT_MS, this.#limitMs);
    const timer = setTimeout(setImmediate, ms, late).unref();
    this.#timer = timer;
  }

  #reason(error) {
    const first = error.errors?.[0] ?? error; // of every address of a name
    const text = first.message || first.code || error.code || error.name;
    return this.#masked(text.split(/\s+/).join(' '));
  }

  #masked(text) {
    const { password } = this.#server;
    const spellings = [password, encodeURIComponent(password)].filter(Boolean);
    return spellings.reduce((shown, secret) => shown.replaceAll(secret, MASK), text).slice(0, 200);
  }
}

module.exports = { Transport };
