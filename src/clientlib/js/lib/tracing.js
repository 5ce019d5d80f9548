'use strict';
// Trace ids between programs: `X-Trace-ID` and W3C `traceparent`, in headers (Express, plain `http`,
// fetch) or in MCP's `_meta`.
//
// A traceparent wins over X-Trace-ID, since it is what standard tooling sends. Nothing is invented:
// a request without a trace id is logged without one. Nothing here throws for what a request brings.

const { randomBytes } = require('node:crypto');
const { currentTraceId, traceContext } = require('./context.js');
const { MAX_TRACE_CHARS, normalTraceId } = require('./record.js');
const { firstChars, textOf } = require('./text.js');

const TRACEPARENT = // later versions may say more behind it
  /^(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/;
const HEX_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const MAY_BE_HEADER = /^[ -~]+$/;

/**
 * Return the trace id that a request carries, or null. `carrier` is an object (Node's headers, an
 * MCP request's `_meta`), a Headers, a Map or pairs; names in any case.
 */
function traceIdFrom(carrier) {
  let parent = '';
  let given = '';
  try {
    const isIterable = typeof carrier?.[Symbol.iterator] === 'function';
    for (const [name, value] of isIterable ? carrier : Object.entries(carrier ?? {})) {
      const lower = String(name).toLowerCase();
      if (lower === 'traceparent') parent ||= single(value);
      else if (lower === 'x-trace-id') given ||= single(value);
    }
  } catch {
    return null; // a carrier is another program's data
  }
  const found = TRACEPARENT.exec(parent);
  if (found) return normalTraceId(found[1]);
  return given ? normalTraceId(firstChars(given, MAX_TRACE_CHARS)) : null;
}

/** Return the headers (or the `_meta`) that carry the trace id in force, if any, onwards. */
function traceHeaders() {
  const traceId = currentTraceId();
  if (traceId === null) return {};
  const normal = normalTraceId(textOf(traceId));
  const headers = MAY_BE_HEADER.test(normal) ? { 'X-Trace-ID': normal } : {};
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
    if (MAY_BE_HEADER.test(traceId)) response.setHeader('X-Trace-ID', traceId);
  } catch {
    // headers sent already
  }
}

function single(value) {
  const first = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' ? first.trim() : '';
}

module.exports = { traceIdFrom, traceHeaders, traceMiddleware, traced };
