'use strict';
// Record ids: time, producer and sequence in one UUIDv8.
//
//   48 bits Unix ms | version 8 | 12 bits sequence high
//   variant | 24 bits sequence low | 38 bits producer
//
// Equal ids are the same record, which is what makes a repeated XADD harmless. The sequence rises
// by one for every record that passed the level filter, so a missing number is a lost record and
// can be named. No part is longer than 48 bits, so plain numbers hold them exactly.

const { randomBytes } = require('node:crypto');

const PRODUCER_RANGE = 2 ** 38;
const LOW_RANGE = 2 ** 24; // the sequence's part behind the variant
const MAX_SEQUENCE = 2 ** 36 - 1;
const MAX_MS = 2 ** 48 - 1;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** One process's (or thread's) client: a random number, and the sequence that it hands out. */
class Producer {
  #next = 1;

  constructor(number = randomNumber()) {
    this.number = number % PRODUCER_RANGE;
  }

  /** The number as 10 hex digits: its name in the producers hash. */
  get hex() {
    return hex(this.number, 10);
  }

  /** The highest sequence number handed out so far; 0 before the first. */
  get last() {
    return this.#next - 1;
  }

  /**
   * Return the first of `n` consecutive sequence numbers. When the 36 bits are used up the producer
   * becomes a new one, so read `number` afterwards.
   */
  claim(n = 1) {
    if (this.#next + n - 1 > MAX_SEQUENCE) {
      this.number = randomNumber();
      this.#next = 1;
    }
    const first = this.#next;
    this.#next += n;
    return first;
  }
}

/** Return an id up to the producer: what records of one millisecond and 1,024 numbers share. */
function idHead(ms, sequence) {
  const time = hex(Math.min(Math.max(ms, 0), MAX_MS), 12);
  const low = Math.floor((sequence % LOW_RANGE) / 1_024);
  return (
    `${time.slice(0, 8)}-${time.slice(8)}-8${hex(Math.floor(sequence / LOW_RANGE), 3)}` +
    `-${hex(0x8000 + low, 4)}`
  );
}

/** Return the rest of an id: the sequence's lowest ten bits and the producer. */
function idTail(sequence, producer) {
  return `-${hex((sequence % 1_024) * PRODUCER_RANGE + producer, 12)}`;
}

/** Return the UUID text of a record. */
function recordId(ms, sequence, producer) {
  return idHead(ms, sequence) + idTail(sequence, producer);
}

/** Return `{ms, sequence, producer}` of an id of ours, or null for anything else. */
function parseRecordId(text) {
  if (!UUID.test(text)) return null;
  const digits = text.replaceAll('-', '');
  const variant = parseInt(digits.slice(16, 20), 16);
  if (digits[12] !== '8' || variant >> 14 !== 0b10) return null;
  const tail = parseInt(digits.slice(20), 16);
  const low = (variant & 0x3fff) * 1_024 + Math.floor(tail / PRODUCER_RANGE);
  const sequence = parseInt(digits.slice(13, 16), 16) * LOW_RANGE + low;
  if (sequence === 0) return null; // sequences start at 1: zero is another's v8
  return { ms: parseInt(digits.slice(0, 12), 16), sequence, producer: tail % PRODUCER_RANGE };
}

function randomNumber() {
  return randomBytes(5).readUIntBE(0, 5) % PRODUCER_RANGE;
}

function hex(number, width) {
  return number.toString(16).padStart(width, '0');
}

module.exports = { Producer, idHead, idTail, recordId, parseRecordId };
