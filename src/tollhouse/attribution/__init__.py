"""Attribution: whom a call's cost is booked to.

Labels come from what the key fixes, then request headers, then body metadata, then the key's defaults.
"""
