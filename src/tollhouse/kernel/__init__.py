"""Kernel: the few words that every room uses - money, moments, ids, secrets, refusals, outcomes.

Imports nothing of ours and does no I/O.
"""
