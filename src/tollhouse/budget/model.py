"""Hold: evidence that a call's price ceiling was worked out and set aside."""

from __future__ import annotations

import msgspec

from tollhouse.ledger.model import WindowHold


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """`ceiling_nano_usd` is None where no sound ceiling can be known: no price, unbounded tools, a raw path."""

    ceiling_nano_usd: int | None
    input_tokens_max: int | None
    output_tokens_max: int | None
    price_id: str | None
    windows: tuple[WindowHold, ...] = ()
    """Budget windows that the call is counted in, with the leases that cover it."""
