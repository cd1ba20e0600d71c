"""Metering: what was used. The splitter turns a provider's usage object into billable units, each >= 0.

The shape of the usage decides, not the vendor's name. Pure functions.
"""
