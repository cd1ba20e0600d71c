"""Pages: documents that are made from the code, so that they cannot say anything else than the code does.

`make docs` writes them; a house test makes them again and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pages import log_events, metrics, settings, tracked

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/what-is-tracked.md": tracked.page,
    "docs/reference/settings.md": settings.page,
    "docs/reference/metrics.md": metrics.page,
    "docs/reference/log-events.md": log_events.page,
}
"""Path from the root, and what makes its text."""
