'use strict';
// Godot's client for Node: structured logging that costs the caller a microsecond and never blocks
// it.
//
//   const { ICCMLogger } = require('godot-logs');
//   const log = new ICCMLogger({ component: 'billing' });
//   log.info('paid', { order: 17 });

const { captureConsole } = require('./lib/console.js');
const { bind, currentTraceId, traceContext } = require('./lib/context.js');
const { ClientError, ConfigError } = require('./lib/errors.js');
const { parseRecordId } = require('./lib/identity.js');
const { ICCMLogger } = require('./lib/logger.js');
const { Level } = require('./lib/record.js');
const { DEFAULT_FIELDS, Redactor } = require('./lib/redaction.js');
const { traceHeaders, traceIdFrom, traceMiddleware, traced } = require('./lib/tracing.js');

module.exports = {
  ClientError,
  ConfigError,
  DEFAULT_FIELDS,
  ICCMLogger,
  Level,
  Redactor,
  bind,
  captureConsole,
  currentTraceId,
  parseRecordId,
  traceContext,
  traceHeaders,
  traceIdFrom,
  traceMiddleware,
  traced,
};
