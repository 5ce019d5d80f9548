'use strict';
// Make the package as it is published: the modules of lib in one file, without comments and with
// short names, which is half their size and loads quicker. `node pack.js FOLDER` writes it there.
//
// The modules are put one after the other into one scope, what is required first. So no two may
// declare the same name, nor one that means something everywhere; a name that is refused here is
// renamed there.

const fs = require('node:fs');
const path = require('node:path');
const { minify } = require('terser');

// Properties that only the modules of lib see, and neither programs nor Node: a kilobyte of letters.
const INNER = [
  ...['begun', 'bePatient', 'bound', 'boundWithin', 'broken', 'claim', 'connectTimeoutMs'],
  ...['container', 'deadline', 'deliver', 'dropAll', 'droppedBefore', 'drops', 'endpointKey'],
  ...['failuresLeft', 'finishNow', 'flushTimeoutMs', 'forgo', 'giveUp', 'greet', 'holds', 'hurry'],
  ...['intake', 'lasts', 'lostBytes', 'mapping', 'marks', 'maxFailures', 'memory'],
  ...['nextComponent', 'nextToPrint', 'notePrinted', 'oldest', 'omittedKeys', 'outage', 'outbox'],
  ...['patienceMs', 'printer', 'printLast', 'printNow', 'pushedFor', 'pushes', 'putBack'],
  ...['receipt', 'receipts', 'redactor', 'redisUrlGiven', 'refusals', 'refuse', 'replies'],
  ...['replyTimeoutMs', 'settle', 'shipping', 'silent', 'spareNumbers', 'suspects', 'taken'],
  ...['takenBefore', 'totals', 'unprinted', 'untold', 'verdict', 'waitMs', 'wakeAt'],
];
const OPTIONS = {
  // no function is constructed, and every file stays strict
  compress: { passes: 3, unsafe_arrows: true, unsafe_methods: true, directives: false },
  mangle: { properties: { regex: new RegExp(`^(?:${INNER.join('|')})$`) } },
  toplevel: true,
  ecma: 2020,
  format: { comments: false },
};
const WHOLE = 'lib/godot.js';
const THREAD = 'lib/lastwords-thread.js'; // loaded by its name
const OURS = /^const \{([^}]*)\} = require\('\.\/(?:lib\/)?([\w-]+)\.js'\);\n/gm;
const OURS_WHOLE = /^const (\w+) = require\('\.\/([\w-]+)\.js'\);\n/gm;
const BUILT_IN = /^const .* = require\('node:.*'\);\n/gm;
const EXPORTS = /^module\.exports = \{([^}]*)\};\n/m;
const DECLARED = /^(?:const|let|class|function|async function|function\*) (\{[^}]*\}|\w+)/gm;

async function pack(target) {
  const { scripts, devDependencies, ...rest } = require('./package.json');
  fs.rmSync(target, { recursive: true, force: true });
  fs.mkdirSync(path.join(target, 'lib'), { recursive: true });
  const write = (name, text) => fs.writeFileSync(path.join(target, name), text);
  const wanted = new Set();
  for (const name of [...rest.files.filter((file) => file !== 'lib'), THREAD]) {
    write(name, await small(name, fromWhole(name, read(name), wanted)));
  }
  write(WHOLE, await small(WHOLE, whole(wanted)));
  write('package.json', JSON.stringify(rest));
  fs.copyFileSync(path.join(__dirname, '../../../LICENSE'), path.join(target, 'LICENSE'));
}

function read(name) {
  return fs.readFileSync(path.join(__dirname, name), 'utf8');
}

/** Return a file's text as it is published; declarations keep their comments for editors. */
async function small(name, source) {
  if (name.endsWith('ts')) return source.replace(/^ +(?!\*)|^\n/gm, '');
  if (!/js$/.test(name)) return source;
  return (await minify(source, { ...OPTIONS, module: name.endsWith('.mjs') })).code;
}

/** Let a file outside the whole take from it what it took from the modules; note what that is. */
function fromWhole(name, source, wanted) {
  if (!name.endsWith('.js')) return source;
  const found = [...source.matchAll(OURS)].filter(([, , file]) => file !== 'index');
  const names = found.flatMap(([, list]) => namesIn(list));
  for (const one of names) wanted.add(one);
  const where = name === THREAD ? './godot.js' : `./${WHOLE}`;
  const line = `const { ${names.join(', ')} } = require('${where}');\n`;
  return source.replace(OURS, '').replace("'use strict';\n", `'use strict';\n${line}`);
}

/** Return all modules as one that exports the `wanted` names. */
function whole(wanted) {
  const sources = new Map();
  const add = (name) => {
    if (sources.has(name)) return;
    const source = read(`lib/${name}.js`);
    for (const pattern of [OURS, OURS_WHOLE]) {
      for (const [, , required] of source.matchAll(pattern)) add(required);
    }
    sources.set(name, source);
  };
  const names = fs.readdirSync(path.join(__dirname, 'lib')).map((name) => path.parse(name).name);
  for (const name of names) if (`lib/${name}.js` !== THREAD) add(name);
  const exportsOf = (name) => EXPORTS.exec(sources.get(name))[1];
  const known = new Set();
  const once = (line) => (known.has(line) ? '' : known.add(line) && line);
  const texts = [...sources.values()].map((source) =>
    source
      .replace("'use strict';\n", '')
      .replace(OURS, '')
      .replace(OURS_WHOLE, (_, name, file) => once(`const ${name} = {${exportsOf(file)}};\n`))
      .replace(BUILT_IN, once)
      .replace(EXPORTS, ''),
  );
  const text = texts.join('');
  refuseNames(text);
  return `'use strict';\n${text}module.exports = { ${[...wanted].join(', ')} };\n`;
}

function refuseNames(text) {
  const seen = new Set(Object.getOwnPropertyNames(globalThis));
  for (const name of text.match(BUILT_IN).flatMap(declaredIn)) seen.delete(name);
  for (const name of declaredIn(text)) {
    if (seen.has(name)) throw new Error(`${name} is declared twice`);
    seen.add(name);
  }
}

function declaredIn(text) {
  return [...text.matchAll(DECLARED)].flatMap(([, found]) => namesIn(found.replace(/[{}]/g, '')));
}

function namesIn(list) {
  return list
    .split(',')
    .map((one) => one.split(':').at(-1).trim())
    .filter(Boolean);
}

if (require.main === module) void pack(path.resolve(process.argv[2]));

module.exports = { pack };
