'use strict';
// The client's errors. Logging calls throw none of them: only construction does.

/** Base of everything this package throws on purpose. */
class ClientError extends Error {
  name = 'ClientError';
}

/** A setting that cannot be used; the message names it, its value, and what is allowed. */
class ConfigError extends ClientError {
  name = 'ConfigError';
}

module.exports = { ClientError, ConfigError };
