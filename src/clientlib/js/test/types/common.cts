import godot = require('godot-logs');
import transport = require('godot-logs/pino');

const log: godot.ICCMLogger = new godot.ICCMLogger();
log.warn('m');
export const stream = transport({ component: 'shop' });
export const error: godot.ClientError = new godot.ConfigError('x');
// @ts-expect-error: nothing of that name
godot.nothing();
