'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { parseRecordId } = require('../index.js');
const { shipped } = require('./support/unsent.js');
const { cases, forLoggers } = require('./support/vectors.js');

for (const { name, given, fields, redact_fields: redactFields } of forLoggers()) {
  test(`a logger sends what the vectors say: ${name}`, () => {
    const log = (logger) =>
      logger[given.level.toLowerCase()](given.message, given.data, given.trace_id);
    const [found] = shipped(log, { component: given.component, redactFields });
    assert.deepEqual(Object.entries(found).slice(2), Object.entries(fields));
  });
}

test('levels by alias keep what the vectors say', () => {
  const aliases = cases('encode').filter(({ given, error }) => !error && given.level !== 'INFO');
  assert.ok(aliases.length >= 6);
  for (const { name, given, fields } of aliases) {
    const [found] = shipped((log) =>
      log.log(given.level, given.message, given.data, given.trace_id),
    );
    assert.deepEqual(Object.entries(found).slice(2), Object.entries(fields), name);
  }
});

test('ids are read as the vectors say', () => {
  const rows = cases('decode').filter(
    ({ entry, row }) => row && typeof entry.fields.id === 'string',
  );
  assert.ok(rows.length >= 30);
  for (const { name, entry, row } of rows) {
    const found = parseRecordId(entry.fields.id);
    assert.deepEqual(
      [found?.producer ?? null, found?.sequence ?? null],
      [row.producer, row.sequence],
      name,
    );
  }
});

test('there are enough vectors to mean something', () => {
  assert.ok(forLoggers().length >= 40);
});
