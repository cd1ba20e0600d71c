"""Ledger: what was spent. A call is opened in the worker's journal before its side effect and closed exactly once;
the shipper copies closed calls into PostgreSQL, once each; recovery closes what a dead worker left open.

Never in a record: a body, a key, a header's value other than the declared labels.
"""
