"""From a call of the ledger to what its receipt is made of: the stored usage, lines and amount, and the row they name.

Pure; `pricing.explain` makes the receipt. Never asks the book for today's price: a call names the row it was priced by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollhouse.metering.model import Usage, UsageSource
from tollhouse.pricing.explain import StoredCost
from tollhouse.pricing.model import ChargeLine, PriceStatus
from tollhouse.pricing.rules import PriceBook

if TYPE_CHECKING:
    from tollhouse.ledger.store import CallRow


def stored_cost(call: CallRow, book: PriceBook) -> StoredCost:
    """What `explain` takes; `price` is None where the book no longer has the row."""
    return StoredCost(
        usage=stored_usage(call),
        status=PriceStatus(call.price_status),
        cost_nano_usd=call.cost_nano_usd,
        lines=msgspec.json.decode(call.charge_lines, type=tuple[ChargeLine, ...]),
        price=None if call.price_id is None else book.prices.get(call.price_id),
        book_version=call.price_book_version,
    )


def stored_usage(call: CallRow) -> Usage:
    """The usage as it was counted when the call closed."""
    return Usage(
        source=UsageSource(call.usage_source),
        units=msgspec.json.decode(call.units, type=dict[str, int]),
        fees=msgspec.json.decode(call.fees, type=dict[str, int]),
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cache_read_tokens=call.cache_read_tokens,
        cache_write_tokens=call.cache_write_tokens,
        reasoning_tokens=call.reasoning_tokens,
        flags=call.flags,
        raw=None if call.raw_usage is None else msgspec.json.decode(call.raw_usage, type=dict[str, object]),
    )
