"""Metering: what was used. The splitter turns a provider's usage object into billable units, each >= 0.

The shape of the usage decides, not the vendor's name. Pure functions: `tally.usage_of` for one attempt,
`tier.tier_of` and `tier.region_of` for what the answer says of its tier and place, `estimate` for what nobody reported.
"""
