"""Dialects: one file per wire format.

Each is a pure function from a request's bytes to an `Answer` in its provider's shape.
"""
