'use strict';
// Make plain data fit the wire format, and name what had to be changed. The worker repeats the
// cleaning, since anyone may XADD; a record is never refused for what is inside it.

const { plainText } = require('./encoding.js');
const { MAX_DATA_BYTES } = require('./record.js');
const { beginning } = require('./text.js');

const LONG_STRING_BYTES = 8_192; // what remains of a longer string once the data is over its limit
const MAX_PAYLOAD_BYTES = 1_048_576; // kept for the sender, which redacts before it cuts
const MAX_OMITTED_NAMES = 32;
const NOTES_ROOM = 20_480; // bytes kept free for the names of what was left out

/** Return the text of the `data` field from plain data and notes, cut if need be. */
function dataText(value, notes) {
  let text = plainText(value);
  let bytes = Buffer.byteLength(text);
  if (!notes.lostBytes && bytes + notes.room <= MAX_DATA_BYTES) return joinNotes(text, notes);
  notes.truncated.data ??= bytes + notes.lostBytes;
  const short = shortened(value);
  text = plainText(short);
  bytes = Buffer.byteLength(text);
  if (bytes + notes.room <= MAX_DATA_BYTES) return joinNotes(text, notes);
  return joinNotes(plainText(keysThatFit(short, notes, MAX_DATA_BYTES)), notes);
}

/** Return plain data that is small enough to be queued. */
function queueable(value, notes) {
  const bytes = Buffer.byteLength(plainText(value));
  if (bytes <= MAX_PAYLOAD_BYTES) return value;
  notes.truncated.data ??= bytes + notes.lostBytes;
  return keysThatFit(value, notes, MAX_PAYLOAD_BYTES);
}

/** Return the object with a user's own key `godot` out of the way. */
function godotRenamed(value) {
  if (!('godot' in value)) return value;
  let name = 'godot_';
  while (name in value) name += '_';
  const found = Object.create(null);
  for (const key of Object.keys(value)) found[key === 'godot' ? name : key] = value[key];
  return found;
}

function joinNotes(text, notes) {
  if (notes.empty) return text;
  return `${text.slice(0, -1)}${text === '{}' ? '' : ','}"godot":${notes}}`;
}

function shortened(value) {
  if (typeof value === 'string') return beginning(value, LONG_STRING_BYTES);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(shortened);
  const found = Object.create(null);
  for (const key of Object.keys(value)) found[key] = shortened(value[key]);
  return found;
}

function keysThatFit(value, notes, maxBytes) {
  let room = maxBytes - notes.room - NOTES_ROOM;
  const kept = Object.create(null);
  for (const key of Object.keys(value)) {
    const bytes = Buffer.byteLength(`${JSON.stringify(key)}:${plainText(value[key])}`);
    if (bytes < room) {
      kept[key] = value[key];
      room -= bytes + 1;
      continue;
    }
    if (notes.omitted.length < MAX_OMITTED_NAMES) notes.omitted.push(key.slice(0, 128));
    notes.omittedKeys++;
  }
  return kept;
}

module.exports = { dataText, queueable, godotRenamed };
