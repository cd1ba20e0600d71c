"""What a call may cost at most. Pure.

Three classes of calls: *inline* (all input is in the body: a token is at least a byte), *referenced* (input elsewhere:
the model's context window), *unbounded* (no sound ceiling; None).
"""

from __future__ import annotations

from tollhouse.budget.model import Hold
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.metering.estimate import input_bound
from tollhouse.pricing.model import Price
from tollhouse.pricing.rules import ceiling
from tollhouse.wire.call import Call, Dialect

# Looked up once: a member by its class costs more than most of what is decided by it.
_FREE, _RAW, _EMBEDDINGS = Dialect.FREE, Dialect.RAW, Dialect.OPENAI_EMBEDDINGS

FREE_HOLD = Hold(ceiling_nano_usd=0, input_tokens_max=0, output_tokens_max=0, price_id=None)


def hold_for(call: Call, price: Price | None) -> Hold:
    """The ceiling of a call at a price row; None amounts where it cannot be known."""
    dialect = call.route.dialect
    if dialect is _FREE:
        return FREE_HOLD
    input_max = _input_max(call, price)
    output_max = _output_max(call, price)
    amount: int | None = None
    if price is not None and input_max is not None and output_max is not None and not call.unbounded:
        amount = ceiling(price, input_max, output_max, call.choices)
    return Hold(
        ceiling_nano_usd=amount,
        input_tokens_max=input_max,
        output_tokens_max=output_max,
        price_id=price.id if price else None,
    )


CEILING_UNKNOWN = Refusal(
    code=RefusalCode.CEILING_UNKNOWN,
    message="A most was set for the cost of this call, but what it can cost at most is not known: "
    "its model has no price, or it uses tools or input without a bound.",
)
ABOVE_THE_MOST = Refusal(
    code=RefusalCode.BUDGET_EXCEEDED,
    message="This call can cost more than the most that was set for it. "
    "Lower its maximum of output tokens, or raise X-Tollhouse-Max-Cost-Usd.",
)


def within(hold: Hold, most_nano_usd: int | None) -> Hold | Refusal:
    """The hold, if its ceiling is within what the caller set for this one call; None sets nothing."""
    if most_nano_usd is None:
        return hold
    if hold.ceiling_nano_usd is None:
        return CEILING_UNKNOWN
    return hold if hold.ceiling_nano_usd <= most_nano_usd else ABOVE_THE_MOST


def _input_max(call: Call, price: Price | None) -> int | None:
    if call.route.dialect is _RAW:
        return None
    if call.referenced:
        return price.context_tokens if price else None
    return input_bound(len(call.body))


def _output_max(call: Call, price: Price | None) -> int | None:
    if call.route.dialect is _EMBEDDINGS:
        return 0
    if call.max_output_tokens is not None:
        return call.max_output_tokens
    return price.output_tokens_max if price else None
