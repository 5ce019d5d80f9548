'use strict';
// A TCP proxy in front of a server's unix socket that can cut, stall, or swallow replies.

const { once } = require('node:events');
const net = require('node:net');

class Proxy {
  stall = false; // nothing passes, in either direction
  swallowReplies = false; // requests pass, answers vanish
  #pairs = new Set();
  #held = [];

  static async before(server) {
    const proxy = new Proxy();
    proxy.server = server; // where new connections lead to
    proxy.listener = net.createServer((client) =>
      proxy.#accept(client, net.connect(proxy.server.socket)),
    );
    proxy.listener.listen(0, '127.0.0.1');
    await once(proxy.listener, 'listening');
    const { port } = proxy.listener.address();
    proxy.url = `redis://127.0.0.1:${port}/0`;
    // a shorter limit for answers, where a test waits until it is over
    proxy.hastyUrl = `${proxy.url}?socket_timeout=1`;
    // and one that is never over, where it waits for anything else
    proxy.patientUrl = `${proxy.url}?socket_timeout=60`;
    return proxy;
  }

  #accept(client, upstream) {
    const pair = [client, upstream];
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    client.on('data', (bytes) => this.#pass(upstream, bytes));
    upstream.on('data', (bytes) => {
      if (!this.swallowReplies) this.#pass(client, bytes);
    });
  }

  #pass(socket, bytes) {
    if (this.stall) this.#held.push([socket, bytes]);
    else socket.write(bytes);
  }

  heal() {
    this.stall = this.swallowReplies = false;
    for (const [socket, bytes] of this.#held.splice(0)) socket.write(bytes);
  }

  /** Reset every open connection. */
  cut() {
    for (const [client, upstream] of this.#pairs) {
      client.destroy();
      upstream.destroy();
    }
  }

  close() {
    this.cut();
    this.listener.close();
  }
}

module.exports = { Proxy };
