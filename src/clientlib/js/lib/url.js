'use strict';
// What a Redis URL says: `redis://`, `rediss://` and `unix://`, with the options that the Python
// client's URLs may carry too (`db`, `socket_timeout`, `socket_connect_timeout`, `ssl_ca_certs`,
// `ssl_cert_reqs=none`), so that one variable serves programs in both languages.

const fs = require('node:fs');

const DEFAULT_PORT = 6379;

/**
 * Read a URL; the time limits are undefined unless given. Throws when it names no server.
 *
 * @param {string} url
 * @returns {{
 *   place: string, socket: any, username: string, password: string, database: number,
 *   connectTimeoutMs: number | undefined, replyTimeoutMs: number | undefined,
 * }} `socket` as node-redis has it
 */
function readUrl(url) {
  // URL refuses credentials without a host, which a unix socket does not have
  const whole = url.replace(/^(unix:\/\/[^/?#]*@)\//, '$1socket/');
  const { protocol, hostname, port, pathname, username, password, searchParams } = new URL(whole);
  const path = decodeURIComponent(pathname);
  const isUnix = protocol === 'unix:';
  const named = isUnix ? path : hostname;
  if (!['redis:', 'rediss:', 'unix:'].includes(protocol) || !named)
    throw new TypeError('Invalid URL');
  const host = hostname.replace(/^\[|\]$/g, ''); // of an IPv6 address
  const address = { host, port: Number(port || DEFAULT_PORT) };
  const database = Number(searchParams.get('db') ?? (isUnix ? 0 : path.slice(1)));
  return {
    place: isUnix ? `unix://${path}` : `${protocol}//${hostname}:${address.port}`,
    socket: isUnix
      ? { path }
      : { ...address, ...(protocol === 'rediss:' && tls(searchParams, host)) },
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: Number.isInteger(database) ? database : 0,
    connectTimeoutMs: milliseconds(searchParams.get('socket_connect_timeout')),
    replyTimeoutMs: milliseconds(searchParams.get('socket_timeout')),
  };
}

function tls(options, host) {
  const found = { tls: true };
  if (!/^[\d.]+$|:/.test(host)) found.servername = host;
  if (options.get('ssl_ca_certs')) found.ca = fs.readFileSync(options.get('ssl_ca_certs'));
  if (options.get('ssl_cert_reqs') === 'none') found.rejectUnauthorized = false;
  return found;
}

function milliseconds(seconds) {
  return Number(seconds) > 0 ? Number(seconds) * 1_000 : undefined;
}

module.exports = { readUrl };
