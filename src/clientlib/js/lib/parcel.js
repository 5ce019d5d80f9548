'use strict';
// Parcels: records packed as commands, bytes that never change from then on.
//
// A parcel is `{sequence, memory, from, to}`: the record's number, and where its command stands.
// What was packed together stands in one piece of memory, so that a thousand records are a few
// buffers to the socket, however often they are sent.

const { partsOf } = require('./resp.js');

/** Return the parcels of commands, numbered from `first`; `ascii` says that all of them are. */
function parcelsOf(commands, first, ascii) {
  const memory = Buffer.from(commands.join(''), ascii ? 'latin1' : 'utf8');
  let to = 0;
  return commands.map((command, i) => {
    const from = to;
    to += ascii ? command.length : Buffer.byteLength(command);
    return { sequence: first + i, memory, from, to };
  });
}

/** Return the bytes of parcels in as few buffers as they stand in. */
function buffersOf(parcels) {
  const found = [];
  for (let i = 0; i < parcels.length;) {
    const { memory, from } = parcels[i];
    let { to } = parcels[i++];
    while (parcels[i]?.memory === memory && parcels[i].from === to) ({ to } = parcels[i++]);
    found.push(memory.subarray(from, to));
  }
  return found;
}

/** Return a parcel's fields by name. */
function fieldsOf({ memory, from, to }) {
  const parts = partsOf(memory.subarray(from, to)).slice(6);
  const found = {};
  for (let i = 0; i < parts.length; i += 2) found[parts[i]] = parts[i + 1];
  return found;
}

module.exports = { parcelsOf, buffersOf, fieldsOf };
