"""What a call costs whose worker died: a pure rule over what its journal says.

Unknown is not free: without a metered amount a call counts at its hold, and without a hold it is unpriced, never zero.
It lasted as long as is known, and was asked of one provider: it was opened for that, and no more is on record.
The same journal gives the same row, so a recovery that died itself is simply done again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tollhouse.kernel.outcome import Outcome
from tollhouse.ledger.model import CallClosed, CallFacts, CallOpened, CallProgress
from tollhouse.metering.model import UsageSource
from tollhouse.pricing.model import PriceStatus

AT_CEILING = "at_ceiling"
"""Flag of a row whose cost is its hold, because what was used is not known."""

_FACTS = CallFacts.__struct_fields__


class LostCost(msgspec.Struct, frozen=True, kw_only=True):
    """The amount booked for a lost call; `cost_nano_usd` is None exactly when `status` is unpriced."""

    cost_nano_usd: int | None
    status: PriceStatus
    at_ceiling: bool


def counts_strictly(opened: CallOpened) -> bool:
    """Whether a lost call counts at its ceiling: whenever it was held against some budget's window."""
    return bool(opened.holds)


def settle_lost(opened: CallOpened, last_progress: CallProgress | None, strict: bool) -> CallClosed:
    """The row that closes a call whose worker died. `strict`: at its hold even where less was metered."""
    metered = last_progress.cost_nano_usd if last_progress is not None else None
    cost = lost_cost(opened.hold_nano_usd, metered, strict)
    progress = last_progress or CallProgress(call_id=opened.call_id, usage_source=UsageSource.ESTIMATED)
    facts: Mapping[str, object] = {name: getattr(opened, name) for name in _FACTS}
    return CallClosed(
        **facts,  # type: ignore[arg-type]  # the fields of CallFacts, which CallClosed has by inheritance
        outcome=Outcome.GATEWAY_LOST,
        model=progress.model,
        latency_ms=progress.elapsed_ms,
        attempts=1,
        input_tokens=progress.input_tokens,
        output_tokens=progress.output_tokens,
        units=progress.units,
        usage_source=UsageSource.ESTIMATED if cost.at_ceiling else progress.usage_source,
        flags=(AT_CEILING,) if cost.at_ceiling else (),
        cost_nano_usd=cost.cost_nano_usd,
        price_status=cost.status,
        price_id=progress.price_id or opened.price_id,
    )


def lost_cost(hold: int | None, metered: int | None, strict: bool) -> LostCost:
    """Hold and metered amount in nano-USD, None where unknown. Never below what was metered."""
    if hold is not None and (metered is None or (strict and hold > metered)):
        return LostCost(cost_nano_usd=hold, status=PriceStatus.PRICED, at_ceiling=True)
    if metered is not None:
        return LostCost(cost_nano_usd=metered, status=PriceStatus.PRICED, at_ceiling=False)
    return LostCost(cost_nano_usd=None, status=PriceStatus.UNPRICED, at_ceiling=False)
