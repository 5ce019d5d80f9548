'use strict';
// How a program finds a running `godot up` without any variable being set: the stack writes its
// connection settings to `endpoint.json` in its data folder, which only the same user can read. A
// missing or damaged file only means that no stack is running.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** Return where the embedded stack keeps its data. */
function dataDir(env) {
  if (env.GODOT_DATA_DIR) return env.GODOT_DATA_DIR;
  if (process.geteuid?.() === 0) return '/var/lib/godot';
  return path.join(env.XDG_DATA_HOME || path.join(os.homedir(), '.local/share'), 'godot');
}

/** Return what a running `godot up` wrote about itself, or an empty object. */
function readEndpoint(env) {
  try {
    const found = JSON.parse(fs.readFileSync(path.join(dataDir(env), 'endpoint.json'), 'utf8'));
    return typeof found === 'object' && found !== null && !Array.isArray(found) ? found : {};
  } catch {
    return {};
  }
}

module.exports = { readEndpoint };
