'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { ConfigError } = require('../index.js');
const { Level, levelOfNumber } = require('../lib/record.js');
const { DEFAULT_REDIS_URL, load, programName } = require('../lib/settings.js');
const { readUrl } = require('../lib/url.js');

function read(env = {}, options = {}) {
  const lines = [];
  const found = load(options, (line) => lines.push(line), {
    GODOT_DATA_DIR: '/nonexistent',
    ...env,
  });
  return { ...found, lines };
}

function fileWith(t, name, text) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'godot-test-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, name);
  fs.writeFileSync(file, text);
  return { folder, file };
}

test('defaults are those of the Python client', () => {
  const { lines, component, ...found } = read();
  assert.deepEqual(lines, []);
  assert.ok(component);
  assert.deepEqual(found, {
    ...{ redisUrlGiven: false, enabled: true, level: Level.INFO, redactFields: [] },
    ...{ redisUrl: DEFAULT_REDIS_URL, stream: 'logs', maxlen: 100_000 },
    ...{ bufferRecords: 10_000, bufferBytes: 33_554_432, flushTimeoutS: 2 },
  });
});

test('variables win over defaults and options over variables', () => {
  const env = { GODOT_COMPONENT: 'env', GODOT_LEVEL: 'debug', GODOT_STREAM: 's' };
  const { component, level, stream } = read(env, { component: 'arg' });
  assert.deepEqual([component, level, stream], ['arg', Level.DEBUG, 's']);
});

test('own redacted fields of option and environment add up', () => {
  const env = { GODOT_REDACT_FIELDS: 'ssn, iban,' };
  assert.deepEqual(read(env, { redactFields: ['pin'] }).redactFields, ['pin', 'ssn', 'iban']);
  assert.deepEqual(read(env).redactFields, ['ssn', 'iban']);
  assert.deepEqual(read({}, { redactFields: 'a,b' }).redactFields, ['a', 'b']);
});

test('a value may stand in a file', (t) => {
  const { file } = fileWith(t, 'url', 'redis://:pw@h:1/0\n');
  assert.equal(read({ GODOT_REDIS_URL_FILE: file }).redisUrl, 'redis://:pw@h:1/0');
  const { lines, redisUrl } = read({ GODOT_REDIS_URL_FILE: `${file}-no` });
  assert.equal(redisUrl, DEFAULT_REDIS_URL);
  assert.match(lines[0], /^GODOT_REDIS_URL_FILE='.*-no' is not usable/);
});

test('a running stack is found by its endpoint file', (t) => {
  const text = JSON.stringify({ redis_url: 'unix:///run/x.sock?db=0', stream: 'logs-x' });
  const { folder } = fileWith(t, 'endpoint.json', text);
  const found = read({ GODOT_DATA_DIR: folder });
  assert.deepEqual([found.redisUrl, found.stream], ['unix:///run/x.sock?db=0', 'logs-x']);
  assert.equal(
    read({ GODOT_DATA_DIR: folder, GODOT_REDIS_URL: 'redis://h:1' }).redisUrl,
    'redis://h:1',
  );
});

test('a damaged endpoint file is as good as none', (t) => {
  for (const text of ['', '{', '[1]', '{"redis_url": 5}', 'null']) {
    const { folder } = fileWith(t, 'endpoint.json', text);
    assert.equal(read({ GODOT_DATA_DIR: folder }).redisUrl, DEFAULT_REDIS_URL);
  }
});

test('a wrong variable is one line and the default', () => {
  const wrong = {
    LOGGING_ENABLED: 'maybe',
    GODOT_COMPONENT: 'x'.repeat(129),
    GODOT_LEVEL: 'LOUD',
    GODOT_STREAM: 'two words',
    GODOT_MAXLEN: 'many',
    GODOT_BUFFER_RECORDS: '0',
    GODOT_BUFFER_BYTES: '-1',
    GODOT_FLUSH_TIMEOUT_S: 'nan',
  };
  for (const [variable, value] of Object.entries(wrong)) {
    const { lines, ...found } = read({ [variable]: value });
    const { lines: _, ...usual } = read();
    assert.deepEqual(found, usual);
    assert.equal(lines.length, 1);
    assert.ok(lines[0].startsWith(`${variable}='${value.slice(0, 20)}`));
    assert.match(lines[0], /allowed is .*; using /);
  }
});

test('a wrong URL is never shown', () => {
  for (const url of [
    'http://u:geheim@h/',
    'redis://',
    'redis://h:port/geheim',
    'rediss+cluster://geheim@h',
  ]) {
    const { lines, redisUrl } = read({ GODOT_REDIS_URL: url });
    assert.equal(redisUrl, DEFAULT_REDIS_URL);
    assert.ok(lines.length === 1 && !lines[0].includes('geheim'));
    assert.throws(
      () => read({}, { redisUrl: url }),
      (error) =>
        !error.message.includes('geheim') && error.message.includes('redis://host:port/db'),
    );
  }
});

test('a wrong option throws and says what is allowed', () => {
  const wrong = [
    ...[{ component: '' }, { component: 'x'.repeat(129) }, { component: {} }, { level: 'LOUD' }],
    ...[{ level: 1.5 }, { redactFields: 5 }, { stream: '' }, { bufferRecords: 0 }],
    ...[{ flushTimeoutS: 'soon' }, { maxlen: 5 }, { enabled: 1n }, { maxlen: 1_000.5 }],
  ];
  for (const options of wrong) {
    const [name] = Object.keys(options);
    assert.throws(
      () => read({}, options),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, new RegExp(`^${name}=.*allowed is`));
        return true;
      },
    );
  }
});

test('numbers fall into levels', () => {
  const pairs = [
    [0, 5],
    [9, 5],
    [10, 10],
    [25, 20],
    [30, 30],
    [99, 40],
  ];
  for (const [number, level] of pairs) assert.equal(levelOfNumber(number), level);
});

test('a program that names no component is called by its script', () => {
  assert.equal(programName('/srv/shop/worker.js'), 'worker');
  assert.equal(programName('/srv/shop/index.mjs'), 'shop');
  assert.equal(programName(''), 'node');
});

test('a URL says where the server is, and shows no secret', () => {
  const cases = {
    'unix:///run/a.sock?db=2': {
      place: 'unix:///run/a.sock',
      socket: { path: '/run/a.sock' },
      database: 2,
    },
    'unix://:p%C3%A4ss@/run/a.sock': {
      place: 'unix:///run/a.sock',
      username: '',
      password: 'päss',
    },
    'unix://me:pw@/run/a.sock': { username: 'me', password: 'pw' },
    'redis://:pw@h:1/3': {
      place: 'redis://h:1',
      socket: { host: 'h', port: 1 },
      password: 'pw',
      database: 3,
    },
    'redis://[::1]:5': { place: 'redis://[::1]:5', socket: { host: '::1', port: 5 } },
    'rediss://h': { socket: { host: 'h', port: 6379, tls: true, servername: 'h' }, database: 0 },
    'rediss://127.0.0.1?ssl_cert_reqs=none': {
      socket: { host: '127.0.0.1', port: 6379, tls: true, rejectUnauthorized: false },
    },
    'redis://h?socket_timeout=0.3&socket_connect_timeout=2': {
      replyTimeoutMs: 300,
      connectTimeoutMs: 2_000,
    },
  };
  for (const [url, expected] of Object.entries(cases)) {
    const found = readUrl(url);
    for (const [name, value] of Object.entries(expected))
      assert.deepEqual(found[name], value, `${url}: ${name}`);
  }
});
