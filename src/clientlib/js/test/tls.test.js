'use strict';
const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { test } = require('node:test');
const tls = require('node:tls');
const { run } = require('./support/program.js');
const { sharedServer, streamName } = require('./support/server.js');
const { messages } = require('./support/stream.js');

const server = sharedServer();
const skip = spawnSync('openssl', ['version']).error ? 'openssl is missing' : false;
const PROGRAM = `
  const log = new (require('godot-logs').ICCMLogger)({ flushTimeoutS: 1 });
  log.info('m');`;

/** Put TLS in front of the server, with a certificate of its own; return its port and the file. */
async function encrypted(t) {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(server.folder, name));
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject];
  execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const options = { key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
  const listener = tls.createServer(options, (client) => {
    const upstream = net.connect(server.socket);
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.pipe(upstream).pipe(client);
  });
  listener.on('tlsClientError', () => {});
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => listener.close());
  return { port: listener.address().port, cert };
}

test('records travel encrypted to a server whose certificate is known', { skip }, async (t) => {
  const { port, cert } = await encrypted(t);
  const stream = streamName();
  for (const [end, option] of [
    ['', `ssl_ca_certs=${cert}`],
    ['process.exit(0)', 'ssl_cert_reqs=none'],
  ]) {
    const url = `rediss://localhost:${port}/0?${option}`;
    const { code, out, err } = await run(PROGRAM + end, { url, stream });
    assert.deepEqual([code, out, err], [0, [], []]);
  }
  assert.deepEqual(await messages(server, stream), ['m', 'm']);
});

test('a certificate that nobody knows is an outage', { skip }, async (t) => {
  const { port } = await encrypted(t);
  const { code, out, err } = await run(PROGRAM, { url: `rediss://localhost:${port}/0` });
  assert.equal(code, 0);
  assert.equal(out.length, 1);
  assert.match(err[0], /does not take records \(.*(self-signed|SELF_SIGNED)/i);
});
