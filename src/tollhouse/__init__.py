"""Tollhouse: a self-hosted gateway and ledger for AI spend."""

__version__ = "0.1.0"
