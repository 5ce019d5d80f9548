"""The client's errors. Logging calls raise none of them: only construction and parsing do."""

from __future__ import annotations


class ClientError(Exception):
    """Base of everything clientlib raises on purpose."""


class ConfigError(ClientError):
    """A setting that cannot be used; the message names the variable, the value, what is allowed."""


class RecordError(ClientError, ValueError):
    """A record that the wire format does not allow: no component, no message, unknown level."""
