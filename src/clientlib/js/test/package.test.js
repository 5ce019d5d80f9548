'use strict';
// The package as it is published, installed where nothing of this checkout is.
const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { sharedServer, streamName } = require('./support/server.js');
const { account, read } = require('./support/stream.js');

const ROOT = path.resolve(__dirname, '..');
const [, README] = /^```js\n(.*?)^```$/ms.exec(fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8'));
const server = sharedServer();

/** Pack, and install the archive beside the dependency that is installed here already. */
function installed(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'godot-test-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const target = path.join(folder, 'built');
  execFileSync(process.execPath, [path.join(ROOT, 'pack.js'), target]);
  const packed = execFileSync('npm', ['pack', '--json'], { cwd: target, encoding: 'utf8' });
  const [{ filename, files, unpackedSize }] = JSON.parse(packed);
  const home = path.join(folder, 'node_modules/godot-logs');
  fs.mkdirSync(home, { recursive: true });
  execFileSync('tar', ['-xzf', path.join(target, filename), '-C', home, '--strip-components=1']);
  fs.mkdirSync(path.join(folder, 'node_modules/@redis'));
  const client = 'node_modules/@redis/client';
  fs.symlinkSync(path.join(ROOT, client), path.join(folder, client));
  return { folder, names: files.map((file) => file.path), unpackedSize };
}

test('what is published works from an empty folder, in both module systems', async (t) => {
  const { folder, names, unpackedSize } = installed(t);
  assert.ok(unpackedSize <= 60_000, `${unpackedSize}`);
  for (const name of ['LICENSE', 'README.md', 'index.d.ts']) assert.ok(names.includes(name), name);
  assert.ok(!names.some((name) => /^(test|bench)|-lock|^pack\.js/.test(name)), names.join(' '));
  const stream = streamName();
  const env = { ...process.env, GODOT_REDIS_URL: server.url, GODOT_STREAM: stream };
  const programs = {
    'a.cjs': `const { ICCMLogger, ConfigError } = require('godot-logs');
      try { new ICCMLogger({ level: 'LOUD' }); } catch (error) {
        if (!(error instanceof ConfigError) || error.name !== 'ConfigError') process.exit(8);
      }
      new ICCMLogger('common').info('m', { password: 'p', m: new Map([['id', 5n]]) });
      process.exit(0);`,
    'b.mjs': `import { ICCMLogger } from 'godot-logs';
      const log = new ICCMLogger('module');
      log.error('m', new Error('boom'));
      if (!(await log.flush())) process.exit(9);
      await log.close();`,
    'c.cjs': `const stream = require('godot-logs/pino')({ component: 'pino' });
      stream.write('{"level":30,"time":1795379708810,"msg":"m"}\\n');
      stream.end();`,
    'd.cjs': README,
  };
  for (const [name, code] of Object.entries(programs)) {
    fs.writeFileSync(path.join(folder, name), code);
    const done = spawnSync(process.execPath, [name], { cwd: folder, env, encoding: 'utf8' });
    assert.deepEqual([done.status, done.stdout, done.stderr], [0, '', ''], name);
  }
  const found = await read(server, stream);
  assert.deepEqual(
    found.map((record) => record.component),
    ['common', 'module', 'pino', 'shop', 'shop'],
  );
  assert.equal(found[3].data, '{"order":8812,"password":"[REDACTED]"}');
  assert.equal(found[4].trace_id, '4bf92f35-77b3-4da6-a3ce-929d0e0e4736');
  assert.equal(found[0].data, '{"password":"[REDACTED]","m":{"id":5}}');
  assert.equal((await account(server, stream)).producers, 4);
  // as in a bundle, which takes the modules along and not the thread's file
  fs.rmSync(path.join(folder, 'node_modules/godot-logs/lib/lastwords-thread.js'));
  const done = spawnSync(process.execPath, ['a.cjs'], { cwd: folder, env, encoding: 'utf8' });
  assert.equal(JSON.parse(done.stdout).component, 'common');
  assert.match(done.stderr, /lastwords-thread\.js is missing/);
});
