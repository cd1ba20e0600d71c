"""Bootstrap: the composition root - settings in, wired and supervised processes out.

`worker.py` wires one gateway worker, `supervisor.py` runs the database, the workers and the simulator as children.
"""
