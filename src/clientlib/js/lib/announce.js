'use strict';
// How a producer makes itself known: one field of the hash `{stream}:producers`, with the value
// `sent_seq component host pid version started_at dropped`. `sent_seq` is the highest sequence
// number handed to Redis so far, so that a producer whose every entry was trimmed is known all the
// same.

const os = require('node:os');
const { command } = require('./resp.js');
const { version } = require('../package.json');

/** Spells the HSET of one producer. */
class Announcement {
  #startedAt = `${new Date().toISOString().slice(0, -1)}000Z`;
  #host = word(os.hostname());

  constructor(stream) {
    this.key = `${stream}:producers`;
  }

  /** Return the packed command. */
  command(producer, sent, component, dropped) {
    const name = word(component);
    const value = [sent, name, this.#host, process.pid, version, this.#startedAt, dropped];
    return command(['HSET', this.key, producer, value.join(' ')]);
  }
}

function word(text) {
  return text.split(/\s+/).filter(Boolean).join('_') || '-';
}

module.exports = { Announcement };
