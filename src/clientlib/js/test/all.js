'use strict';
// Every test file, three at a time: most of their time is waiting for servers that are away. The
// command line's own switch for it came after the first Node 20.

const { readdirSync } = require('node:fs');
const { join } = require('node:path');
const { run } = require('node:test');
const { spec: Spec } = require('node:test/reporters');

const files = readdirSync(__dirname)
  .filter((name) => name.endsWith('.test.js'))
  .map((name) => join(__dirname, name));

process.exitCode = 1; // until the last one has passed
let failed = 0;
run({ files, concurrency: 3 })
  .on('test:fail', () => {
    failed += 1;
  })
  .on('end', () => {
    if (!failed) process.exitCode = 0;
  })
  .compose(new Spec())
  .pipe(process.stdout);
