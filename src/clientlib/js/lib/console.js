'use strict';
// console.* into Godot, for programs that know nothing else.

const { format } = require('node:util');
const { isError } = require('./text.js');

const LEVELS = {
  trace: 'TRACE',
  debug: 'DEBUG',
  log: 'INFO',
  info: 'INFO',
  warn: 'WARN',
  error: 'ERROR',
};

/**
 * Log what the program prints with console.*, and print it as before unless `print` is false. The
 * message is what would be printed; an Error among the arguments becomes `data.exception`. Returns
 * a function that ends it.
 */
function captureConsole(logger, { print = true, console: target = console } = {}) {
  const originals = {};
  let inside = false; // an object that prints itself when it is formatted
  for (const [method, level] of Object.entries(LEVELS)) {
    const original = target[method];
    originals[method] = original;
    target[method] = function (...args) {
      const isOuter = !inside;
      inside = true;
      try {
        if (isOuter) logger.log(level, messageOf(args), args.find(isError));
        if (print) return original.apply(this, args);
      } finally {
        if (isOuter) inside = false;
      }
    };
  }
  return () => Object.assign(target, originals);
}

function messageOf(args) {
  try {
    return format(...args);
  } catch {
    return '<unprintable>'; // and printing it throws what it would have thrown
  }
}

module.exports = { captureConsole };
