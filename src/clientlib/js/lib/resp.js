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

/** Return commands as bytes; joining them as text first would copy them once more. */
function bytesOf(commands) {
  let length = 0;
  for (const text of commands) length += text.length;
  const bytes = Buffer.allocUnsafe(3 * length); // UTF-8 takes at most three for one of UTF-16
  let end = 0;
  for (const text of commands) end += bytes.write(text, end);
  return bytes.subarray(0, end);
}

/** Return a whole command. */
function command(parts) {
  return `*${parts.length}\r\n${parts.map((part) => bulk(String(part).toWellFormed())).join('')}`;
}

/** Read a packed command's parts back. */
function partsOf(packed) {
  const bytes = Buffer.from(packed);
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

module.exports = { asciiBulk, bulk, bytesOf, command, onePiece, partsOf };
