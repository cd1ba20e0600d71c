"""What a call's ending means in usage and money. Pure: decides from what was sent, answered and reported.

- Never sent, or answered with an error status and no usage: nothing was billed, cost 0.
- Answered, with usage: as reported. Cut: what was reported of it, the rest from what was delivered (`partial`).
- Sent and never answered, or with nothing that says what it cost: its ceiling, `estimated`. Unknown is not free.
- A raw path: relayed unread, so its cost is unknown and says so.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from tollhouse.budget.model import Hold
from tollhouse.metering.model import Flag, RequestFacts, Usage, UsageSource
from tollhouse.metering.tally import STATUS_ERROR, usage_of
from tollhouse.metering.tier import STANDARD, region_of, tier_of
from tollhouse.pricing.model import Charge, Price, PriceStatus
from tollhouse.pricing.rules import PriceBook, charge
from tollhouse.wire.call import Call, Dialect, Reported

AT_CEILING = "at_ceiling"

# Looked up once: a member by its class costs more than most of what is decided by it.
_FREE, _RAW, _ESTIMATED = Dialect.FREE, Dialect.RAW, UsageSource.ESTIMATED


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of an ending. `reported` is None where no answer began."""

    sent: bool
    provider_status: int | None
    reported: Reported | None
    complete: bool


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Usage, its charge, and the model that was billed."""

    usage: Usage
    charge: Charge
    model: str | None


class PriceAt(msgspec.Struct, frozen=True, kw_only=True):
    """The place in the book: the provider as the book names it, and the moment of the request."""

    provider: str
    at: datetime


NOTHING = Usage(source=UsageSource.NONE)
UNSENT = Settlement(usage=NOTHING, charge=Charge(status=PriceStatus.FREE, cost_nano_usd=0, book_version=""), model=None)
"""Of a call that ended before it was known what it asks for."""


def settle(call: Call, hold: Hold | None, book: PriceBook, price_at: PriceAt, ending: Ending) -> Settlement:
    """Usage and charge of a call that ended this way."""
    if not ending.sent or call.route.dialect is _FREE:
        return _free(call, book)
    reported = ending.reported
    refused = ending.provider_status is not None and ending.provider_status >= 400
    if refused and (reported is None or reported.usage is None):
        return _free(call, book)
    if call.route.dialect is _RAW:
        return _unknown(call, book, UsageSource.NONE, (Flag.UNMETERED,))
    if reported is None or ending.provider_status is None:
        return _at_ceiling(call, hold, book)
    if ending.provider_status < STATUS_ERROR and _says_nothing(reported):
        return _at_ceiling(call, hold, book, reported.flags)
    facts = RequestFacts(body_bytes=len(call.body), status=ending.provider_status)
    # A stream may be ended properly by a provider that gave up in the middle: its own last word decides.
    complete = reported.finished or (ending.complete and not call.stream)
    usage = usage_of(call.route.dialect, reported, complete=complete, request=facts)
    if usage.source is _ESTIMATED and not complete:
        usage = msgspec.structs.replace(usage, source=UsageSource.PARTIAL)
    price = price_of(call, book, price_at, reported)
    charged = charge(usage, price, book_version=book.version)
    return Settlement(usage=usage, charge=charged, model=reported.model or call.model)


def price_of(call: Call, book: PriceBook, price_at: PriceAt, reported: Reported | None = None) -> Price | None:
    """The row for the model, tier and region that answered, else for what was asked for."""
    if reported is None:
        return book.find(price_at.provider, call.model, STANDARD, None, price_at.at) if call.model else None
    tier, region = tier_of(reported), region_of(reported)
    for name in (reported.model, call.model):
        if name:
            price = book.find(price_at.provider, name, tier, region, price_at.at)
            if price is not None:
                return price
    return None


def _free(call: Call, book: PriceBook) -> Settlement:
    nothing = Charge(status=PriceStatus.FREE, cost_nano_usd=0, book_version=book.version)
    return Settlement(usage=NOTHING, charge=nothing, model=call.model or None)


def _unknown(call: Call, book: PriceBook, source: UsageSource, flags: tuple[str, ...]) -> Settlement:
    unknown = Charge(status=PriceStatus.UNPRICED, cost_nano_usd=None, book_version=book.version)
    return Settlement(usage=Usage(source=source, flags=flags), charge=unknown, model=call.model or None)


def _says_nothing(reported: Reported) -> bool:
    """Whether nothing could be read of an answer that was no error: no usage, no text, no event and no end."""
    read = reported.usage or reported.usage_first or reported.output_bytes or reported.events
    return not (read or reported.finished or reported.error_code)


def _at_ceiling(call: Call, hold: Hold | None, book: PriceBook, flags: tuple[str, ...] = ()) -> Settlement:
    if hold is None or hold.ceiling_nano_usd is None:
        return _unknown(call, book, UsageSource.ESTIMATED, (AT_CEILING, *flags))
    usage = Usage(
        source=UsageSource.ESTIMATED,
        input_tokens=hold.input_tokens_max,
        output_tokens=None if hold.output_tokens_max is None else hold.output_tokens_max * call.choices,
        flags=(AT_CEILING, *flags),
    )
    charged = Charge(
        status=PriceStatus.PRICED,
        cost_nano_usd=hold.ceiling_nano_usd,
        price_id=hold.price_id,
        book_version=book.version,
    )
    return Settlement(usage=usage, charge=charged, model=call.model or None)
