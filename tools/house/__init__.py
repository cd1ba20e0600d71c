"""House rules: the style of this project as functions from source text to findings.

Each file holds the rules of one subject; `tests/house` runs them over the tree and shows of each that it can fail.
A rule reads, and never changes a file. What a rule may overlook for now is listed in `tests/house/ratchet.toml`.
"""
