"""Entries are written in parts and read whole: both must have the same fields, of the same types and defaults."""

from __future__ import annotations

import msgspec
import pytest

from tollhouse.attribution.model import Labels
from tollhouse.kernel.ids import CallId, TenantId
from tollhouse.ledger.model import (
    CallAsked,
    CallBounds,
    CallClosed,
    CallEnding,
    CallFacts,
    CallOpened,
    CallOrigin,
    joined,
)

FACTS = (CallOrigin, CallAsked, Labels)


def fields_of(*kinds: type[msgspec.Struct]) -> dict[str, tuple[object, object, object]]:
    """Type, default and default's maker by name; a name that stands in two of them is an error."""
    found: dict[str, tuple[object, object, object]] = {}
    for kind in kinds:
        for field in msgspec.structs.fields(kind):
            assert field.name not in found, field.name
            found[field.name] = (field.type, field.default, field.default_factory)
    return found


@pytest.mark.parametrize(
    ("whole", "parts"),
    [(CallFacts, FACTS), (CallOpened, (*FACTS, CallBounds)), (CallClosed, (*FACTS, CallEnding))],
)
def test_the_parts_make_the_whole(whole: type[msgspec.Struct], parts: tuple[type[msgspec.Struct], ...]) -> None:
    """No field is missing, none is in two parts, none means something else where it is read."""
    assert fields_of(*parts) == fields_of(whole)


def test_parts_that_are_joined_are_read_as_one() -> None:
    """An empty part adds nothing."""
    origin, asked = CallOrigin(tenant_id=TenantId("t"), worker="w"), CallAsked(call_id=CallId("c"), started_ms=7)
    facts = joined(msgspec.json.encode(origin), msgspec.json.encode(asked))
    assert joined(facts, msgspec.json.encode(CallBounds())) == facts
    opened = joined(facts, msgspec.json.encode(CallBounds(price_id="p")))
    assert msgspec.json.decode(opened, type=CallOpened) == CallOpened(
        tenant_id=TenantId("t"), worker="w", call_id=CallId("c"), started_ms=7, price_id="p"
    )
