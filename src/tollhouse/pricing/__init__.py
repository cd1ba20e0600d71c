"""Pricing: what usage costs, by a dated, versioned book of integer rates.

Matching is exact; unknown is `unpriced`, never zero. `rules.py` decides (`PriceBook.find`, `charge`, `ceiling`) and
`explain.py` shows how; both are pure. `book_file.py` reads `books/`: data with a source and a retrieval date on every
row.
"""
