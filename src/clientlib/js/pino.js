'use strict';
// A pino transport, which pino runs in a thread of its own:
//
//   pino({ transport: { target: 'godot-logs/pino', options: { component: 'shop' } } })
//
// pino's `msg` is the message, `time` the time of the record, `traceId` or `trace_id` the trace id,
// everything else data; `pid` and `hostname` are left out, since a record's producer says both.

const { setTimeout: sleep } = require('node:timers/promises');
const { StringDecoder } = require('node:string_decoder');
const { Writable } = require('node:stream');
const { ICCMLogger } = require('./lib/logger.js');

const TURN_LINES = 100;
const FATAL = 60;
const LEAST_MS = 1e11; // a smaller time is in seconds: these would be in 1973

/** Return the stream that pino writes its lines to; `options` are those of ICCMLogger. */
module.exports = function godotTransport(options = {}) {
  const logger = new ICCMLogger({ level: 'TRACE', ...options });
  const decoder = new StringDecoder();
  let rest = '';

  return new Writable({
    async write(chunk, _encoding, done) {
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop();
      for (let i = 0; i < lines.length; i++) {
        logLine(logger, lines[i]);
        // the queue is emptied in turns of the event loop; pino waits meanwhile, not the program
        if (i % TURN_LINES === TURN_LINES - 1) await sleep(0);
        while (logger.pressed) await sleep(1);
      }
      done();
    },
    async final(done) {
      if (rest) logLine(logger, rest);
      await logger.close();
      done();
    },
  });
};

function logLine(logger, line) {
  if (!line) return;
  let found;
  try {
    found = JSON.parse(line);
  } catch {
    found = null;
  }
  if (typeof found !== 'object' || found === null) {
    logger.info(line); // not pino's
    return;
  }
  const { level, time, msg, pid, hostname, traceId, trace_id: snake, ...data } = found;
  const name = level >= FATAL ? 'FATAL' : level;
  const text = msg ?? data.message ?? ''; // the other name that programs give it
  if (msg === undefined) delete data.message;
  const hasData = Object.keys(data).length > 0;
  logger.log(numbered(name), text, hasData ? data : undefined, traceId ?? snake, wallMs(time));
}

/** pino's numbers are ten higher than ours; a program may have it write names instead. */
function numbered(level) {
  return typeof level === 'number' ? level - 10 : level;
}

/** pino writes milliseconds unless it was told to write seconds or text. */
function wallMs(time) {
  if (typeof time === 'string') return Date.parse(time);
  return time < LEAST_MS ? time * 1_000 : time;
}
