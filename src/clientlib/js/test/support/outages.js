'use strict';
// Loggers whose server is away, and what they say and print meanwhile.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { ICCMLogger } = require('../../index.js');
const { until } = require('./stream.js');

const WARNING = 'does not take records';
const NOTICE = 'takes records again';

/** Collect what the client writes to stdout and stderr itself, past process.stdout. */
function output(t) {
  const texts = { 1: '', 2: '' };
  const { writeSync } = fs;
  t.mock.method(fs, 'writeSync', (fd, data, ...rest) => {
    if (!(fd in texts)) return writeSync(fd, data, ...rest);
    texts[fd] += data;
    return Buffer.byteLength(data);
  });
  const linesOf = (fd) => texts[fd].split('\n').filter(Boolean);
  return {
    get lines() {
      return linesOf(2);
    },
    get records() {
      return linesOf(1).map((line) => JSON.parse(line));
    },
    get messages() {
      return this.records.map((record) => record.message);
    },
    assertOneOutage(recovered = true) {
      assert.equal(this.lines.length, 1 + Number(recovered), texts[2]);
      assert.ok(this.lines[0].includes(WARNING));
      assert.ok(!recovered || this.lines[1].includes(NOTICE));
    },
  };
}

function logger(url, stream, options = {}) {
  return new ICCMLogger({
    component: 'api',
    redisUrl: url,
    stream,
    level: 'TRACE',
    flushTimeoutS: 1,
    ...options,
  });
}

const taken = (log) => until(() => log.stats().queued === 0);
const printed = (log, n) => until(() => log.stats().printed === n);
const recovered = (log) => until(() => log.stats().state === 'delivering' && !log.stats().waiting);

module.exports = { NOTICE, output, logger, taken, printed, recovered };
