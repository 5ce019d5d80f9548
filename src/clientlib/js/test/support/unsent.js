'use strict';
// Loggers whose records are taken before they are sent: what a server would be given is read from
// its parts, in the same turn of the event loop.

const { ICCMLogger } = require('../../index.js');
const { Framer } = require('../../lib/framing.js');
const { senderFor } = require('../../lib/lifecycle.js');
const { fieldsOf } = require('../../lib/parcel.js');
const { load } = require('../../lib/settings.js');

const PRODUCER = 0x2a;
let streams = 0;

/** Return `{log, intake, framed}`: a logger, its queue, and what its records are packed as. */
function unsent(options = {}) {
  const whole = {
    component: 'api',
    redisUrl: 'redis://127.0.0.1:1/0',
    level: 'TRACE',
    stream: `unsent-${++streams}`,
    ...options,
  };
  const log = new ICCMLogger(whole);
  const { intake } = senderFor(load(whole, () => {}));
  const framer = new Framer('s', 100_000);
  const framed = () => {
    const batch = intake.take(100_000);
    return batch.length ? framer.frame(batch, PRODUCER, 1).map(fieldsOf) : [];
  };
  return { log, intake, framed, framer };
}

/** Return the fields of what `act` logs. */
function shipped(act, options) {
  const { log, framed } = unsent(options);
  act(log);
  return framed();
}

module.exports = { unsent, shipped, PRODUCER };
