'use strict';
// RESP as text: commands are packed by hand, because node-redis's queue takes 35 µs of CPU a record
// where this takes 2.

/** Return a bulk string. The text must be well formed: UTF-8 counts its bytes. */
function bulk(text) {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** Return a bulk string of text that is known to be ASCII. */
function asciiBulk(text) {
  return `$${text.length}\r\n${text}\r\n`;
}

/**
 * Return the same text in one piece. What is put together with `+` remains a tree of its parts, and
 * what many commands share would be climbed through again in each.
 */
function onePiece(text) {
  return Buffer.from(text).toString();
}

/** Return a whole command as bytes. */
function command(parts) {
  const bulks = parts.map((part) => bulk(String(part).toWellFormed()));
  return Buffer.from(`*${parts.length}\r\n${bulks.join('')}`);
}

/** Read a packed command's parts back. */
function partsOf(bytes) {
  const found = [];
  let at = bytes.indexOf(10) + 1;
  while (at < bytes.length) {
    const start = bytes.indexOf(10, at) + 1;
    const length = Number(bytes.toString('latin1', at + 1, start - 2));
    found.push(bytes.toString('utf8', start, start + length));
    at = start + length + 2;
  }
  return found;
}

module.exports = { asciiBulk, bulk, command, onePiece, partsOf };
