"""Wire: what providers' protocols say - paths, requests, answers, streams, framing.

Pure protocol knowledge: bytes in, values out. No sockets, no clock, no prices, no tenants.
Same-dialect traffic passes byte for byte; readers only observe it.
"""
