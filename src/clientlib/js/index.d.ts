import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

export declare const Level: {
  readonly TRACE: 5;
  readonly DEBUG: 10;
  readonly INFO: 20;
  readonly WARN: 30;
  readonly ERROR: 40;
};

export type LevelName = keyof typeof Level;
/** A name in any case, an alias (WARNING, CRITICAL, FATAL), or a number. */
export type LevelLike = LevelName | Lowercase<LevelName> | (string & {}) | number;

/** All optional; the variable behind each, then its default. */
export interface LoggerOptions {
  /** 1 to 128 characters; `GODOT_COMPONENT`, the script's name. */
  component?: string;
  /** `redis://`, `rediss://`, `unix://`; `GODOT_REDIS_URL`, a running `godot up`. */
  redisUrl?: string;
  /** A level set from outside wins; `GODOT_LEVEL`, INFO. */
  level?: LevelLike;
  /** Names masked beside the standard ones and those of `GODOT_REDACT_FIELDS`. */
  redactFields?: Iterable<string> | string;
  /** Whether secrets are recognised by their shape too (true). */
  redactValues?: boolean;
  /** `LOGGING_ENABLED`, true. */
  enabled?: boolean;
  /** `GODOT_STREAM`, `logs`. */
  stream?: string;
  /** Entries the stream keeps, about; `GODOT_MAXLEN`, 100,000. */
  maxlen?: number;
  /** `GODOT_BUFFER_RECORDS`, 10,000. */
  bufferRecords?: number;
  /** `GODOT_BUFFER_BYTES`, 32 MiB. */
  bufferBytes?: number;
  /** How long the end waits for delivery; `GODOT_FLUSH_TIMEOUT_S`, 2. */
  flushTimeoutS?: number;
  /** Send what is buffered before SIGTERM does its work (false). */
  flushOnSigterm?: boolean;
}

export interface ClientStats {
  state: 'idle' | 'delivering' | 'outage';
  producer: string;
  queued: number;
  waiting: number;
  sent: number;
  /** On stdout, during outages. */
  printed: number;
  redacted: number;
  outages: number;
  dropped: Record<string, number>;
}

/** Throws ConfigError for a wrong option, afterwards nothing; its methods may be called alone. */
export declare class ICCMLogger {
  constructor(options?: LoggerOptions | string);
  readonly component: string;
  trace(message: unknown, data?: unknown, traceId?: string | null): void;
  debug(message: unknown, data?: unknown, traceId?: string | null): void;
  info(message: unknown, data?: unknown, traceId?: string | null): void;
  warn(message: unknown, data?: unknown, traceId?: string | null): void;
  /** An Error as message or data is kept with its stack and causes. */
  error(message: unknown, data?: unknown, traceId?: string | null): void;
  /** `at`: when it happened, in ms since 1970; by default now. */
  log(
    level: LevelLike,
    message: unknown,
    data?: unknown,
    traceId?: string | null,
    at?: number,
  ): void;
  isEnabled(level: LevelLike): boolean;
  /** For this logger and its children; a level set from outside wins. */
  setLevel(level: LevelLike): void;
  /** A child with fields for all its records; a record's own data wins. */
  bind(fields: object): ICCMLogger;
  /** True once everything logged so far is in Redis, false when it is not in time. */
  flush(timeoutMs?: number): Promise<boolean>;
  /** Flush, and disconnect with the last open logger; a later record connects again. */
  close(): Promise<void>;
  stats(): ClientStats;
  /** The queue is more than half full: log less. */
  readonly pressed: boolean;
  [Symbol.asyncDispose](): Promise<void>;
}

export declare class ClientError extends Error {}
export declare class ConfigError extends ClientError {}

export declare const DEFAULT_FIELDS: readonly string[];

/** How secrets are masked. */
export declare class Redactor {
  constructor(fields?: Iterable<string>, values?: boolean);
  readonly fields: readonly string[];
  /** A copy without secrets. */
  data(value: unknown): unknown;
  text(text: string): string;
}

/** Every record logged in `fn`, also by what it starts, carries these fields. */
export declare function bind<T>(fields: object, fn: () => T): T;
export declare function traceContext<T>(traceId: string | null | undefined, fn: () => T): T;
export declare function currentTraceId(): string | null;

type Carrier = object | Iterable<[string, unknown]> | null | undefined;

/** The trace id of a request's `traceparent` or `X-Trace-ID`, or null. */
export declare function traceIdFrom(carrier: Carrier): string | null;
/** Headers that carry the trace id in force onwards. */
export declare function traceHeaders(): { 'X-Trace-ID'?: string; traceparent?: string };
export declare function traceMiddleware(): (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;
export declare function traced<H extends RequestListener>(handler: H): H;

export interface CaptureOptions {
  /** Print as before too (true). */
  print?: boolean;
  console?: Console;
}
/** Log what console.* prints; returns a function that ends it. */
export declare function captureConsole(logger: ICCMLogger, options?: CaptureOptions): () => void;

export interface RecordId {
  /** Milliseconds since 1970. */
  ms: number;
  sequence: number;
  producer: number;
}
export declare function parseRecordId(text: string): RecordId | null;
