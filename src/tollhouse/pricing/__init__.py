"""Pricing: what usage costs, by a dated, versioned book of integer rates.

Matching is exact; unknown is `unpriced`, never zero.

`rules.py` decides and is pure; `books/` is data with a source and a retrieval date on every row.
"""
