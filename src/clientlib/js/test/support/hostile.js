'use strict';
// Data that does whatever it can to break a logger.

const unspeakable = new Proxy(
  {},
  {
    get() {
      throw new Error('get');
    },
    ownKeys() {
      throw new Error('keys');
    },
    getPrototypeOf() {
      throw new Error('prototype');
    },
    has() {
      throw new Error('has');
    },
  },
);
const revoked = (() => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
})();
const cycle = { name: 'c' };
cycle.self = cycle;
cycle.map = new Map([['m', cycle]]);

function nested(levels) {
  let value = {};
  for (let i = 0; i < levels; i++) value = { n: value };
  return value;
}

const endless = {
  get next() {
    return Object.create(Object.getPrototypeOf(endless), Object.getOwnPropertyDescriptors(endless));
  },
};
const HOSTILE = {
  'a cycle': cycle,
  '50,000 levels': nested(50_000),
  'a proxy that throws': unspeakable,
  'a proxy that throws, inside': { p: unspeakable, list: [unspeakable] },
  'a revoked proxy': revoked,
  'a getter without end': endless,
  'a getter that throws nothing': {
    get a() {
      throw undefined;
    },
  }, // eslint-disable-line no-throw-literal
  'a toJSON that throws': {
    v: {
      toJSON() {
        throw new Error('no');
      },
    },
  },
  'a toJSON that returns itself': {
    v: {
      toJSON() {
        return this;
      },
      a: 1,
    },
  },
  'an invalid date': { d: new Date(NaN) },
  'an array of four billion holes': new Array(2 ** 32 - 1),
  'a Map whose key throws': new Map([
    [
      {
        toString() {
          throw new Error('no');
        },
      },
      1,
    ],
  ]),
  'an error that throws': Object.defineProperty(new Error('e'), 'stack', {
    get() {
      throw new Error('no');
    },
  }),
  'a date that says anything': { d: Object.assign(new Date(0), { toISOString: () => '"' }) },
  'no date at all': { d: Object.create(Date.prototype) },
  'lone surrogates': { '\ud800': '\udfff' },
  'an iterator that throws': {
    s: Object.assign(new Set([1]), {
      [Symbol.iterator]() {
        throw new Error('no');
      },
    }),
  },
  'a promise and a WeakMap': { p: Promise.resolve(1), w: new WeakMap() },
  'a name that is none': {
    v: Object.create({
      constructor: { name: 5 },
      toJSON() {
        throw new Error('no');
      },
    }),
  },
};

module.exports = { HOSTILE, cycle, unspeakable };
