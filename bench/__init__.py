"""Benchmarks: each measured beside its reference in the same run. `make bench` prints the table of docs/performance.md.

Never timed tests: nothing here fails because a machine is slow.
"""
