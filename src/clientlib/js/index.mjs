// One instance for both module systems: two would be two producers.
import godot from './index.js';

export const {
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
} = godot;
export default ICCMLogger;
