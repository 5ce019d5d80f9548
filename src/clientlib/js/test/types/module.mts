import http from 'node:http';
import godot, {
  ICCMLogger,
  Level,
  type ClientStats,
  bind,
  captureConsole,
  traceContext,
  traced,
} from 'godot-logs';
import { traceMiddleware, parseRecordId } from 'godot-logs';

const log = new ICCMLogger({
  component: 'shop',
  level: 'debug',
  redactFields: ['ssn'],
  flushTimeoutS: 1,
});
const same: ICCMLogger = new godot('shop');
log.info('placed', { order: 17n }, 'trace');
log.error(new Error('boom'));
log.log(Level.WARN, 'm', null, null, Date.now());
same.setLevel('WARN');
const stats: ClientStats = log.bind({ a: 1 }).stats();
const delivered: Promise<boolean> = log.flush(500);
const text: string = traceContext('t', () => bind({ a: 1 }, () => 'x'));
http.createServer(traced((request, response) => void response.end(request.url)));
const middleware = traceMiddleware();
const restore: () => void = captureConsole(log, { print: false });
const producer: number | undefined = parseRecordId('x')?.producer;
export { delivered, middleware, producer, restore, stats, text };

// @ts-expect-error: no such option
new ICCMLogger({ componnet: 'shop' });
// @ts-expect-error: a level is no object
log.setLevel({});
// @ts-expect-error: a trace id is text
log.info('m', {}, 5);
