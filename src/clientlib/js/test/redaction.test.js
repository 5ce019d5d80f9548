'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { DEFAULT_FIELDS, Redactor } = require('../index.js');
const { MASK, STANDARD } = require('../lib/redaction.js');
const { shipped } = require('./support/unsent.js');

const title = (name) => name[0].toUpperCase() + name.slice(1);
const SPELLINGS = [
  (name) => name,
  (name) => name.toUpperCase(),
  title,
  (name) => name.replaceAll('_', '-'),
  (name) => name.replaceAll('_', ''),
  (name) => name.replaceAll('_', '.'),
  (name) => name.split('_').map(title).join(''),
  (name) => `user_${name}`,
  (name) => `X-${name.split('_').map(title).join('-')}`,
  (name) => `db${title(name).replaceAll('_', '')}`,
  (name) => `${name}2`,
];

/** Return what is sent of the data, which is what counts: both passes stand before it. */
function sent(data, options) {
  return JSON.parse(shipped((log) => log.info('m', data), options)[0].data);
}

test('a standard field is masked in any spelling, at any depth, whatever it holds', () => {
  for (const name of DEFAULT_FIELDS) {
    for (const spell of SPELLINGS) {
      const key = spell(name);
      assert.deepEqual(sent({ [key]: 'v' }), { [key]: MASK });
      assert.deepEqual(sent({ [key]: 1 }), { [key]: MASK });
      assert.deepEqual(sent({ a: [{ [key]: ['v'] }] }), { a: [{ [key]: MASK }] });
    }
  }
});

test('names may be given as a list or as one text', () => {
  for (const fields of [['ssn', 'pin code'], new Set(['ssn', 'pin_code']), 'ssn, pin-code']) {
    const found = new Redactor(fields).data({ ssn: 'v', pinCode: 'v', s: 'v' });
    assert.deepEqual({ ...found }, { ssn: MASK, pinCode: MASK, s: 'v' });
  }
});

test('a name elsewhere in the key masks text but not numbers', () => {
  for (const key of [
    'tokens',
    'max_tokens',
    'token_count',
    'apiKeys',
    'passwordHash',
    'secretName',
  ]) {
    assert.deepEqual(sent({ [key]: 'v' }), { [key]: MASK });
    assert.deepEqual(sent({ [key]: 1 }), { [key]: 1 });
    assert.deepEqual(sent({ [key]: 1n }), { [key]: 1 });
    assert.deepEqual(sent({ [key]: true }), { [key]: true });
    assert.deepEqual(sent({ [key]: { a: 1 } }), { [key]: MASK });
  }
});

test('words that only look alike are left alone', () => {
  for (const key of ['tokenizer', 'secretary', 'user', 'keyboard', 'author', 'pass']) {
    assert.deepEqual(sent({ [key]: 'v' }), { [key]: 'v' });
  }
});

test('own fields are masked beside the standard ones', () => {
  const redactFields = ['ssn', 'Kontonummer', 'Пароль', 'oauth2key'];
  for (const key of [
    'ssn',
    'SSN',
    'user_ssn',
    'kontonummer',
    'Пароль',
    'ПАРОЛЬ',
    'password',
    'oauth2_key',
  ]) {
    assert.deepEqual(sent({ [key]: 'v' }, { redactFields }), { [key]: MASK }, key);
  }
  assert.deepEqual(sent({ ssn: 'v' }), { ssn: 'v' });
});

test('the data given is not changed', () => {
  const data = { password: 'p', list: [{ token: 't' }] };
  sent(data);
  assert.deepEqual(data, { password: 'p', list: [{ token: 't' }] });
});

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN';
const PEM = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI\n-----END EC PRIVATE KEY-----';
const SECRETS = {
  'password=hunter2': 'password=[REDACTED]',
  'body {"password": "a b", "n": 1}': 'body {"password": "[REDACTED]", "n": 1}',
  '{\\"token\\": \\"abc\\", \\"n\\": 1}': '{\\"token\\": \\"[REDACTED]\\", \\"n\\": 1}',
  'GET /x?access_token=abc&y=1': 'GET /x?access_token=[REDACTED]&y=1',
  'Authorization: Bearer abcdefgh': 'Authorization: Bearer [REDACTED]',
  'Authorization: Basic dXNlcjpwYXNz': 'Authorization: Basic [REDACTED]',
  'got bearer abcdefghij1 there': 'got bearer [REDACTED] there',
  'Cookie: a=b; sid=zzz; x=1': 'Cookie: [REDACTED]',
  'db at postgres://bob:pw@h/db': 'db at postgres://bob:[REDACTED]@h/db',
  'db at postgres://bob:p/w@h/db': 'db at postgres://bob:[REDACTED]@h/db',
  'redis://:pw@h:1/0': 'redis://:[REDACTED]@h:1/0',
  'AKIAIOSFODNN7EXAMPLE used': '[REDACTED] used',
  [`jwt ${JWT} end`]: 'jwt [REDACTED] end',
  [`key ${PEM} end`]: 'key [REDACTED] end',
  [PEM.slice(0, 40)]: '[REDACTED]',
  [`ghp_${'a'.repeat(36)}`]: '[REDACTED]',
  'tokenizer: password=abc': 'tokenizer: password=[REDACTED]',
  "'secret' => 'x'": "'secret' => '[REDACTED]'",
  // values that hold what ends another kind of value
  '{"password": "a\\"bcd", "n": 1}': '{"password": "[REDACTED]", "n": 1}',
  '{"password": "C:\\\\", "n": "x"}': '{"password": "[REDACTED]"n": "x"}', // rather than half
  '{\\"token\\": \\"a\\\\\\"b\\", \\"n\\": 1}': '{\\"token\\": \\"[REDACTED]\\", \\"n\\": 1}',
  '{\\\\\\"token\\\\\\": \\\\\\"ab\\\\\\"}': '{\\\\\\"token\\\\\\": \\\\\\"[REDACTED]\\\\\\"}',
  "<QueryDict: {'password': ['hun', 'ter2']}>": "<QueryDict: {'password': [REDACTED]}>",
  '{"token": {"v": ["a}b", 1]}, "n": 1}': '{"token": [REDACTED], "n": 1}',
  "f(password=Secret(value='x y'), n=1)": 'f(password=[REDACTED], n=1)',
  "DB_PASSWORD=it'sme next": 'DB_PASSWORD=[REDACTED] next',
  // names as other programs write them
  'user[password]=hunter2&a=1': 'user[password]=[REDACTED]&a=1',
  'user%5Bpassword%5D=hunter2&a=1': 'user%5Bpassword%5D=[REDACTED]&a=1',
  "os.environ['PASSWORD'] = 'x'": "os.environ['PASSWORD'] = '[REDACTED]'",
  'if token == "hunter2":': 'if token == "[REDACTED]":',
  // credentials of every scheme
  'Authorization: token abcdef': 'Authorization: token [REDACTED]',
  'Authorization: ApiKey abcdef': 'Authorization: ApiKey [REDACTED]',
  'Authorization: Digest username="M, N", realm=x, response="66"\r\nHost: h':
    'Authorization: [REDACTED]\r\nHost: h',
  'Authorization: AWS4-HMAC-SHA256 Credential=AK/s3, SignedHeaders=a;b, Signature=fe5f':
    'Authorization: [REDACTED]',
  [`postgres://u:p@h/x?t=${JWT}`]: `postgres://u:${MASK}@h/x?t=${MASK}`,
  'http://h:x/AKIAIOSFODNN7EXAMPLE': `http://h:x/${MASK}`,
  'eyJaaaaaaaaaa-AKIAIOSFODNN7EXAMPLE': `eyJaaaaaaaaaa-${MASK}`,
  [`postgres://u:${'p'.repeat(2_000)}@h`]: `postgres://u:${MASK}@h`,
};

test('a secret inside text is masked, and masking twice changes nothing more', () => {
  for (const [text, expected] of Object.entries(SECRETS)) {
    const [record] = shipped((log) => log.info(text, { body: text }));
    assert.equal(record.message, expected);
    assert.deepEqual(JSON.parse(record.data), { body: expected });
    assert.equal(STANDARD.text(expected), expected);
  }
});

test('what nothing closes hides no more than its line', () => {
  const text = '    token = get_token(\n        ^^^^\nValueError: bad\n    secret = {1\nend';
  const found = `    token = ${MASK}\n        ^^^^\nValueError: bad\n    secret = ${MASK}\nend`;
  assert.equal(STANDARD.text(text), found);
});

test('a secret inside a key is masked, and no value is lost', () => {
  const data = { 'redis://:a@h:6379/0': 1, 'redis://:b@h:6379/0': { AKIAIOSFODNN7EXAMPLE: 2 } };
  const key = `redis://:${MASK}@h:6379/0`;
  assert.deepEqual(sent(data), { [key]: 1, [`${key}_2`]: { [MASK]: 2 } });
});

test('pairs in a list are judged like keys', () => {
  const headers = [['Host', 'h'], ['x-api-key', 'k'], ['token', 5], ['a', 'password', 'b']];
  assert.deepEqual(sent({ headers, fields: ['password', 'email'] }), {
    headers: [['Host', 'h'], ['x-api-key', MASK], ['token', 5], ['a', 'password', 'b']],
    fields: ['password', 'email'],
  });
});

test('harmless text stays', () => {
  for (const text of [
    'basic authentication failed',
    'GET http://host:8080/a@b',
    'mail to ann@example.com from https://example.com',
    'used 4096 tokens',
    'max_tokens=4096, token_count: 12',
    'the tokenizer: fast',
    'eyJust a word',
    'redis://u:@h ghp_',
    "missing fields: ['password', 'email']",
    'token',
  ]) {
    assert.equal(STANDARD.text(text), text);
  }
});

test('shapes can be switched off and names still count', () => {
  const [record] = shipped(
    (log) => log.info('password=hunter2 Bearer abcdefgh1', { password: 'x', a: JWT }),
    { redactValues: false },
  );
  assert.equal(record.message, 'password=hunter2 Bearer abcdefgh1');
  assert.deepEqual(JSON.parse(record.data), { password: MASK, a: JWT });
});

test('what the exact rules mask the quick search suspects', () => {
  const redactor = new Redactor(['ssn', 'oauth2key']);
  const keys = [
    'pass',
    'word',
    'api',
    'key',
    'token',
    'x',
    'SSN',
    'Bearer',
    'é',
    'oauth',
    'private',
    'eyJ',
  ];
  const joints = ['', '_', '-', '.', ' ', '/', '3', '__', 'é'];
  let masked = 0;
  for (let seed = 0; seed < 20_000; seed++) {
    const pick = (list, n) =>
      list[Math.floor(Math.abs(Math.sin(seed * 7.3 + n) * 1e4)) % list.length];
    const parts = [0, 1, 2].map((n) => pick(keys, n) + pick(joints, n + 5));
    const data = { [parts.join('')]: `${pick(keys, 11)}=${pick(keys, 12)} abcdefgh1 a://b:c@d` };
    const text = JSON.stringify(data);
    if (JSON.stringify(redactor.data(data)) === text) continue;
    masked++;
    assert.ok(redactor.suspects(text), text);
  }
  assert.ok(masked > 1_000);
});

const REPEATED = {
  'jwt without dots': ['eyJ-', ''],
  'url without an end': ['ab://c:d', ''],
  'url with one @': ['ab://c:d', '@'],
  'urls in a list': ['http://user:pass,', '@'],
  'urls of names only': ['ab://:', '@'],
  'scheme of many words': ['a.b.c.d://e:', '@'],
  'key that stays': ['tokenizer=', ''],
  'key that stays, quoted': ['tokenizer="', ''],
  'number that stays': ['tokens=1,', ''],
  cookie: ['cookie=a;', '"'],
  'private key': ['-----BEGIN PRIVATE KEY', ''],
  bearer: ['bearer ', ''],
  'bracket that is never closed': ['token=(\n', ''],
  'quote that is never closed': ['token="\n', "'"],
  backslashes: [`token="${'\\'.repeat(60)}`, ''],
  parameters: ['token=basic a=b,c=d,e ', ''],
  'half a name': ['t0', ''],
  'half a name and digits': ['t00000000000000000', ''],
};

/** Return the CPU time of the fastest of three runs, in ms. */
function redactionMs(text) {
  const found = [0, 1, 2].map(() => {
    const start = process.cpuUsage();
    STANDARD.text(text);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1_000;
  });
  return Math.min(...found);
}

test('redaction takes time in proportion to the text', () => {
  for (const [name, [part, end]] of Object.entries(REPEATED)) {
    const [short, long] = [8_192, 131_072].map(
      (size) => `AKIA ${part.repeat(size / part.length)}${end} bearer`,
    );
    // twice the text four times over: 16 times as long when linear, 256 times when quadratic
    const [shortMs, longMs] = [redactionMs(short), redactionMs(long)];
    assert.ok(longMs < 64 * Math.max(shortMs, 0.5), `${name}: ${shortMs} and ${longMs} ms`);
  }
});
