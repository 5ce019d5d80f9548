'use strict';
// Wall time in microseconds from the monotonic clock, which is all that a log call reads (50 ns).
//
// The two are tied together once and again whenever the wall clock has been set: within 2 ms
// nothing changes, so that the times of records do not jump to and fro with Date.now's rounding.

const { performance } = require('node:perf_hooks');

const MAX_DRIFT_MS = 2;
const LAST_MS = Date.UTC(9_999, 11, 31); // a year has four digits

let originMs = performance.timeOrigin;

/** Follow the wall clock when it was set; called once a batch. */
function resync() {
  const driftMs = Date.now() - (originMs + performance.now());
  if (Math.abs(driftMs) > MAX_DRIFT_MS) originMs += driftMs;
}

/** Say whether a value is a time that a record can bear, in ms since 1970. */
function isTime(value) {
  return typeof value === 'number' && value >= 0 && value < LAST_MS;
}

/** A time of the caller's own, one that `isTime`: no clock that is set moves it. */
class OwnTime {
  constructor(ms) {
    this.micros = Math.floor(ms * 1_000);
  }
}

/**
 * Return microseconds since 1970 for a reading of performance.now(), or for an OwnTime. Clocks that
 * were set or replaced may show anything: the time nearest to it that a record can bear counts.
 */
function wallMicros(at) {
  const micros = typeof at === 'number' ? Math.floor((originMs + at) * 1_000) : at.micros;
  return Math.min(Math.max(micros, 0) || 0, LAST_MS * 1_000);
}

module.exports = { isTime, resync, wallMicros, OwnTime };
