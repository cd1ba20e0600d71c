"""Errors of a broken world. Foreign exceptions are translated into these once, where they enter."""

from __future__ import annotations


class TollhouseError(Exception):
    """Base: the message says what is wrong and what to do, in a sentence for the operator."""


class ConfigError(TollhouseError):
    """A setting cannot be used."""


class StorageError(TollhouseError):
    """The database cannot be reached, started or used."""


class BatchRejectedError(StorageError):
    """The database refuses a row of a batch and always will; nothing of the batch is committed."""


class JournalError(TollhouseError):
    """The journal cannot be written or read."""


class ProviderError(TollhouseError):
    """The upstream side failed; subclasses say how."""


class ProviderUnreachableError(ProviderError):
    """No connection, or it broke before an answer began."""


class ProviderTimeoutError(ProviderError):
    """A deadline passed."""


class ProviderCutError(ProviderError):
    """The answer broke off after it had begun."""
