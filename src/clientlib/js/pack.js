'use strict';
// Make the package as it is published: the same files, without comments and with short names inside
// functions, which is a third of their size. `node pack.js FOLDER` writes it there.

const fs = require('node:fs');
const path = require('node:path');
const { minify } = require('terser');

const OPTIONS = {
  // no function is constructed, and every file stays strict
  compress: { passes: 3, unsafe_arrows: true, unsafe_methods: true, directives: false },
  toplevel: true,
  ecma: 2020,
  format: { comments: false },
};

async function pack(target) {
  const { scripts, devDependencies, ...rest } = require('./package.json');
  const names = fs.readdirSync(path.join(__dirname, 'lib')).map((name) => `lib/${name}`);
  const files = [...rest.files.filter((name) => name !== 'lib'), ...names];
  fs.rmSync(target, { recursive: true, force: true });
  fs.mkdirSync(path.join(target, 'lib'), { recursive: true });
  for (const name of files) {
    const source = fs.readFileSync(path.join(__dirname, name), 'utf8');
    fs.writeFileSync(path.join(target, name), await small(name, source));
  }
  fs.writeFileSync(path.join(target, 'package.json'), JSON.stringify(rest));
  fs.copyFileSync(path.join(__dirname, '../../../LICENSE'), path.join(target, 'LICENSE'));
}

/** Return a file's text as it is published; declarations keep their comments for editors. */
async function small(name, source) {
  if (name.endsWith('ts')) return source.replace(/^ +(?!\*)/gm, '');
  return (await minify(source, { ...OPTIONS, module: name.endsWith('.mjs') })).code;
}

if (require.main === module) void pack(path.resolve(process.argv[2]));

module.exports = { pack };
