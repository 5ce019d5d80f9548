'use strict';
// Log what stands on stdin, a case a line in the vectors' shorthands, for tests in other languages.

const fs = require('node:fs');
const { ICCMLogger } = require('../../index.js');
const { expand } = require('./vectors.js');

const lines = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean);
let log;
for (const line of lines) {
  const { component, level, message, data, trace_id, redact_fields } = expand(JSON.parse(line));
  log = new ICCMLogger({ component, level: 'TRACE', redactFields: redact_fields });
  log.log(level, message, data, trace_id);
}
log.flush(30_000).then((delivered) => process.exit(delivered ? 0 : 9));
