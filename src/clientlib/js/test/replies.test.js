'use strict';
// The server's replies, however the bytes come.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Replies } = require('../lib/replies.js');
const { dice } = require('./support/dice.js');

const REPLIES = [
  ['$15\r\n1795379708810-0\r\n', null],
  ['$18\r\n1795379708810-1024\r\n', null],
  ['$0\r\n\r\n', null],
  ['$-1\r\n', null],
  ['+OK\r\n', 'OK'],
  [':42\r\n', '42'],
  ['_\r\n', ''],
  ['-OOM command not allowed\r\n', new Error('OOM command not allowed')],
  ['*2\r\n$4\r\nshop\r\n$5\r\nTRACE\r\n', ['shop', 'TRACE']],
  ['*0\r\n', []],
  ['*-1\r\n', null],
  ['%2\r\n+proto\r\n:3\r\n$2\r\né\r\n*1\r\n%1\r\n+a\r\n#t\r\n', ['proto', '3', 'é', [['a', 't']]]],
  ['>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n', { push: ['message', 'c', 'x'] }],
];

/** Return what comes out of pieces of bytes. */
function taken(pieces) {
  const found = [];
  const replies = new Replies(
    (reply) => found.push(reply),
    (push) => found.push({ push }),
  );
  for (const piece of pieces) replies.take(piece);
  return found;
}

test('every reply comes out as it went in, wherever the bytes are cut', () => {
  for (let seed = 1; seed < 500; seed++) {
    const roll = dice(seed);
    const chosen = Array.from({ length: 1 + roll(12) }, () => REPLIES[roll(REPLIES.length)]);
    const bytes = Buffer.from(chosen.map(([text]) => text).join(''));
    const most = 1 + roll(roll(2) ? 4 : 200);
    const pieces = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + roll(most);
      pieces.push(bytes.subarray(at, end));
      at = end;
    }
    assert.deepEqual(taken(pieces), chosen.map(([, reply]) => reply));
  }
});

test('what is no RESP is refused', () => {
  for (const text of ['HTTP/1.1 400 Bad\r\n', '\r\n', '\0', '+OK\r\nx']) {
    assert.throws(() => taken([Buffer.from(text)]), /begins with/);
  }
});
