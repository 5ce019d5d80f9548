'use strict';
// From the callers' snapshots to XADD commands, a batch at a time: what the sender does most.
//
// One look at a batch's text as a whole finds whether anything in it may be secret, and whether it is
// ASCII, whose bytes need not be counted record by record. Only records with a hit, or with something
// to clean, go the exact way (redaction.js, cleaning.js). Everything else is copied as the caller
// encoded it, into a command packed by hand: about a microsecond a record.

const clock = require('./clock.js');
const { dataText } = require('./cleaning.js');
const { idHead, idTail } = require('./identity.js');
const { Notes } = require('./notes.js');
const { parcelsOf } = require('./parcel.js');
const record = require('./record.js');
const { MASK } = require('./redaction.js');
const { asciiBulk, bulk, onePiece } = require('./resp.js');
const { firstChars, isAscii, isSafe, textOf } = require('./text.js');

const MAX_TRACES_REMEMBERED = 1_000;
const RECEIPT_MESSAGE = 'records dropped';
const MAX_NAMES_REMEMBERED = 1_000;
const CREATED_AT = '\r\n$10\r\ncreated_at\r\n$27\r\n';

/**
 * What a caller leaves for the sender: `level` (number), `at` (reading of the monotonic clock, ms),
 * `source`, `context`, `traceId`, `message` (text), `data` (JSON object as text, '' for none),
 * `plain` (the same as plain data where text would not say it exactly, else null), `notes` (or
 * null), `size`.
 */
function snapshotOf(level, at, source, context, traceId, message, data, plain, notes) {
  const size = message.length + data.length;
  return { level, at, source, context, traceId, message, data, plain, notes, size };
}

/** Where records come from: one logger's component, rules and bound fields. */
class Source {
  #merged = null;

  constructor(component, redactor, bound = null) {
    this.component = component;
    this.redactor = redactor;
    this.bound = bound;
    this.heads = headsOf(component);
    this.ascii = isAscii(this.heads.get(record.Level.INFO));
  }

  /** Return the fields in force: the logger's own over the context's; the last pair is kept. */
  boundWithin(context) {
    const outer = context?.bound ?? null;
    if (outer === null || this.bound === null) return this.bound ?? outer;
    if (this.#merged?.outer !== outer) {
      this.#merged = { outer, bound: outer.with(this.bound.fields) };
    }
    return this.#merged.bound;
  }
}

const heads = new Map();

/** Return what stands before a message, by level. */
function headsOf(component) {
  let found = heads.get(component);
  if (found === undefined) {
    const name = bulk(new Notes().text('component', component, 4 * record.MAX_COMPONENT_CHARS));
    found = new Map();
    for (const [level, number] of Object.entries(record.Level)) {
      const text = `$9\r\ncomponent\r\n${name}$5\r\nlevel\r\n${bulk(level)}$7\r\nmessage\r\n`;
      found.set(number, onePiece(text));
    }
    if (heads.size < MAX_NAMES_REMEMBERED) heads.set(component, found);
  }
  return found;
}

/** Packs records for one stream. */
class Framer {
  #adds; // what stands before the id, by the number of fields
  #ascii; // the stream's name is
  #traces = new Map();
  #tails = [];
  #tailsOf = -1;
  #ms = -1;
  #thousand = -1;
  #heads = [];
  #timeText = '';
  redacted = 0;

  constructor(stream, maxEntries) {
    const limit = bulk(String(maxEntries));
    const add = `$4\r\nXADD\r\n${bulk(stream)}$6\r\nMAXLEN\r\n$1\r\n~\r\n${limit}$1\r\n*\r\n`;
    const id = '$2\r\nid\r\n$36\r\n';
    this.#ascii = isAscii(stream);
    this.#adds = [5, 6, 7].map((fields) => `*${6 + 2 * fields}\r\n${add}${id}`);
  }

  /** Return one parcel for each snapshot, numbered from `first`. */
  frame(batch, producer, first) {
    clock.resync();
    const look = lookAt(batch);
    let allAscii = this.#ascii;
    const commands = batch.map((snapshot, i) => {
      const { message, trace, data, ascii } = this.#parts(snapshot, look);
      allAscii &&= ascii;
      return this.#pack(snapshot, producer, first + i, message, trace, data, ascii);
    });
    return parcelsOf(commands, first, allAscii);
  }

  /** Return the record that names dropped ones. */
  receipt(source, at, producer, sequence, notes) {
    const snapshot = snapshotOf(record.Level.WARN, at, source, null, null, '', '', null, null);
    const data = dataPart(JSON.stringify({ godot: notes }));
    const text = this.#pack(snapshot, producer, sequence, RECEIPT_MESSAGE, '', data, false);
    return parcelsOf([text], sequence, false)[0];
  }

  /** Return message, trace part and data part, the short way when nothing stands in it. */
  #parts(snapshot, { suspect, ascii }) {
    const { source, context, message, notes } = snapshot;
    const trace = this.#tracePart(snapshot.traceId ?? context?.traceId);
    if (notes !== null || trace === null) return this.#carefulParts(snapshot);
    if (!ascii && !isSafe(message)) return this.#carefulParts(snapshot);
    if (suspect && source.redactor.suspects(`${message}\n${snapshot.data}`)) {
      return this.#carefulParts(snapshot);
    }
    let data = snapshot.data === '{}' ? '' : snapshot.data;
    let allAscii = ascii && source.ascii;
    const fields = source.boundWithin(context);
    if (fields !== null && fields.text) {
      if (fields.keys.some((key) => data.includes(key))) return this.#carefulParts(snapshot);
      const { text, ascii: fieldsAscii } = fields.without(source.redactor);
      data = data ? `{${text},${data.slice(1)}` : `{${text}}`;
      allAscii &&= fieldsAscii;
    }
    if (tooLong(message, record.MAX_MESSAGE_BYTES) || tooLong(data, record.MAX_DATA_BYTES)) {
      return this.#carefulParts(snapshot);
    }
    return { message, trace, data: data && dataPart(data, allAscii), ascii: allAscii };
  }

  /** The exact way: redact, clean, cut, note. */
  #carefulParts(snapshot) {
    const { source, context } = snapshot;
    const notes = snapshot.notes ?? new Notes();
    const redacted = source.redactor.text(snapshot.message);
    const message = notes.text('message', redacted, record.MAX_MESSAGE_BYTES);
    const own = snapshot.plain ?? JSON.parse(snapshot.data || '{}');
    const value = Object.assign(Object.create(null), source.boundWithin(context)?.fields, own);
    const trace = traceText(snapshot.traceId ?? context?.traceId, notes);
    const data = dataText(source.redactor.mapping(value), notes);
    if (message.includes(MASK) || data.includes(MASK)) this.redacted++;
    return {
      ...{ message, trace: trace && tracePart(trace), data: data === '{}' ? '' : dataPart(data) },
      ascii: false,
    };
  }

  /** Return the field as it is sent, or null when it has to be changed; remembers recent ones. */
  #tracePart(traceId) {
    if (traceId === undefined || traceId === null) return '';
    let part = this.#traces.get(traceId);
    if (part === undefined) {
      const notes = new Notes();
      const text = traceText(traceId, notes);
      if (!notes.empty || !isAscii(text)) return null;
      part = text && onePiece(tracePart(text));
      if (typeof traceId !== 'string' || traceId.length > record.MAX_TRACE_CHARS) return part;
      if (this.#traces.size >= MAX_TRACES_REMEMBERED) this.#traces.clear();
      this.#traces.set(onePiece(traceId), part); // not the text that it may be a part of
    }
    return part;
  }

  #pack(snapshot, producer, sequence, message, trace, data, ascii) {
    const micros = clock.wallMicros(snapshot.at);
    const ms = Math.floor(micros / 1_000);
    const thousand = Math.floor(sequence / 1_024);
    if (ms !== this.#ms || thousand !== this.#thousand) this.#begin(ms, thousand);
    const head = this.#heads[(trace ? 1 : 0) + (data ? 1 : 0)];
    const words = ascii ? asciiBulk(message) : bulk(message);
    return (
      `${head}${this.#tail(sequence, producer)}${this.#timeText}${MICROS[micros % 1_000]}` +
      `${snapshot.source.heads.get(snapshot.level)}${words}${trace}${data}`
    );
  }

  /** Spell what records of one millisecond and 1,024 numbers have in common. */
  #begin(ms, thousand) {
    this.#ms = ms;
    this.#thousand = thousand;
    const id = idHead(ms, thousand * 1_024);
    this.#heads = this.#adds.map((add) => onePiece(add + id));
    this.#timeText = onePiece(CREATED_AT + new Date(ms).toISOString().slice(0, -1));
  }

  #tail(sequence, producer) {
    if (producer !== this.#tailsOf) {
      this.#tailsOf = producer;
      this.#tails = Array.from({ length: 1_024 }, (_, i) => onePiece(idTail(i, producer)));
    }
    return this.#tails[sequence % 1_024];
  }
}

const MICROS = Array.from({ length: 1_000 }, (_, i) => `${String(i).padStart(3, '0')}Z\r\n`);

/**
 * Look at the whole batch at once: `suspect` is false when no record in it may hold a secret, `ascii`
 * true when messages and data are ASCII without NUL.
 */
function lookAt(batch) {
  const { redactor } = batch[0].source;
  const parts = [];
  let isOne = true;
  for (const { source, message, data } of batch) {
    if (source.redactor !== redactor) isOne = false;
    parts.push(message, data);
  }
  const text = parts.join('\n');
  return {
    suspect: !isOne || redactor.suspects(text),
    ascii: isAscii(text) && !text.includes('\0'),
  };
}

/** Return a trace id as it is stored, or '' where there is none. */
function traceText(value, notes) {
  const text = value === undefined || value === null ? '' : textOf(value).trim();
  const kept = firstChars(text, record.MAX_TRACE_CHARS);
  if (kept !== text) notes.truncated.trace_id = Buffer.byteLength(text);
  return record.normalTraceId(notes.text('trace_id', kept, 4 * record.MAX_TRACE_CHARS));
}

function tooLong(text, maxBytes) {
  return text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes;
}

function tracePart(text) {
  return `$8\r\ntrace_id\r\n${bulk(text)}`;
}

function dataPart(text, ascii = false) {
  return `$4\r\ndata\r\n${ascii ? asciiBulk(text) : bulk(text)}`;
}

module.exports = { Source, Framer, snapshotOf };
