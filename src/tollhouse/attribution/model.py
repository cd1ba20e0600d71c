"""Labels: the declared dimensions of allocation. A closed list; nothing else of a request is recorded."""

from __future__ import annotations

import msgspec

LABEL_CHARACTERS_MAX = 128


class Labels(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Each at most 128 printable characters; None where nobody said."""

    team: str | None = None
    app: str | None = None
    feature: str | None = None
    customer: str | None = None
    customer_tier: str | None = None
    environment: str | None = None
    cost_center: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    prompt_template: str | None = None


LABEL_NAMES: tuple[str, ...] = Labels.__struct_fields__
NO_LABELS = Labels()
