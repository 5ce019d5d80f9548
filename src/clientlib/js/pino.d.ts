import type { Writable } from 'node:stream';
import type { LoggerOptions } from './index.js';

/** The stream that pino writes its lines to. */
declare function godotTransport(options?: LoggerOptions): Writable;
export = godotTransport;
