'use strict';
// Trace ids between programs: `X-Trace-ID` and W3C `traceparent`, for Express and plain `http`.
//
// A traceparent wins over X-Trace-ID, since it is what standard tooling sends. Nothing is invented:
// a request without a trace id is logged without one.

const { randomBytes } = require('node:crypto');
const { currentTraceId, traceContext } = require('./context.js');
const { MAX_TRACE_CHARS, normalTraceId } = require('./record.js');

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/;
const HEX_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Return the trace id of a request's headers (lower-case names, as Node has them), or null. */
function traceIdFrom(headers) {
  const parent = TRACEPARENT.exec(single(headers?.traceparent));
  if (parent) return normalTraceId(parent[1]);
  const given = single(headers?.['x-trace-id']).trim();
  return given ? normalTraceId(given.slice(0, MAX_TRACE_CHARS)) : null;
}

/** Return the headers that carry the trace id in force, if any, to another program. */
function traceHeaders() {
  const traceId = currentTraceId();
  if (traceId === null) return {};
  const normal = normalTraceId(String(traceId));
  const headers = { 'X-Trace-ID': normal };
  if (HEX_ID.test(normal)) {
    headers.traceparent = `00-${normal.replaceAll('-', '')}-${randomBytes(8).toString('hex')}-01`;
  }
  return headers;
}

/**
 * Return a middleware for Express and its kin (`app.use(traceMiddleware())`): what is logged while
 * a request is handled carries its trace id, which the response repeats as X-Trace-ID.
 */
function traceMiddleware() {
  return (request, response, next) => {
    const traceId = traceIdFrom(request.headers);
    if (traceId === null) return next();
    repeat(response, traceId);
    return traceContext(traceId, next);
  };
}

/** Return a request handler for plain `http` that does the same around `handler`. */
function traced(handler) {
  const middleware = traceMiddleware();
  return function (request, response) {
    return middleware(request, response, () => handler.call(this, request, response));
  };
}

function repeat(response, traceId) {
  try {
    response.setHeader('X-Trace-ID', traceId);
  } catch {
    // headers sent already, or a character that none may hold
  }
}

function single(value) {
  return String((Array.isArray(value) ? value[0] : value) ?? '');
}

module.exports = { traceIdFrom, traceHeaders, traceMiddleware, traced };
