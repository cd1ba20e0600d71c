"""The corridor: what happens to a call, in order, read top-down.

Rooms decide, the corridor acts. Each step takes the evidence of the steps before it as an argument, so that none can be
skipped. A step that says no gives a `Refusal`; `admit` leaves the corridor with it, and `respond.refuse` answers it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from tollhouse.attribution.rules import attribute, overruled_flags
from tollhouse.budget.rules import hold_for, within
from tollhouse.gateway.body import read_body
from tollhouse.gateway.head import family_of_request
from tollhouse.gateway.plane import Plane
from tollhouse.gateway.record import CallRecord, GatewayStoppingError
from tollhouse.gateway.relay import relay
from tollhouse.gateway.request import ClientGoneError, Request
from tollhouse.gateway.respond import refuse
from tollhouse.gateway.send import send_first_that_answers
from tollhouse.gateway.settlement import PriceAt, price_of
from tollhouse.kernel.errors import ProviderError
from tollhouse.kernel.refusal import Refusal, RefusalCode, RefusedError, admit
from tollhouse.policy.rules import inspect
from tollhouse.routing.rules import plan as plan_for
from tollhouse.snapshot.rules import fresh_enough
from tollhouse.telemetry.log import log
from tollhouse.wire.dialects import read_request
from tollhouse.wire.providers import KINDS

FULL = Refusal(
    code=RefusalCode.UNAVAILABLE, message="This gateway has as many calls open as it may; try again.", retry_after_s=1
)
STOPPING = Refusal(
    code=RefusalCode.UNAVAILABLE, message="This gateway is stopping and could not finish the call.", retry_after_s=1
)


async def corridor(plane: Plane, request: Request) -> None:
    """Walks one call; answers every way in which it can end."""
    try:
        await walk(plane, request)
    except RefusedError as refused:
        _answer(plane, request, refused.refusal)
    except ClientGoneError:
        # Its record is closed, and there is nobody to answer.
        pass
    except GatewayStoppingError:
        _answer(plane, request, STOPPING)
    except ProviderError:
        # The answer had begun: cutting the connection is the only honest end, a clean one would hide the loss.
        request.edge.abort()
    except asyncio.CancelledError:
        request.edge.abort()
        raise
    except Exception as error:
        log("call.fault", "error", call_id=request.call_id, error=error)
        fault = Refusal(
            code=RefusalCode.INTERNAL, message="Tollhouse failed to handle this call; it has been recorded."
        )
        _answer(plane, request, fault)
    finally:
        if request.gone:
            request.edge.let_go()


async def walk(plane: Plane, request: Request) -> None:
    """receive head → authenticate → read → attribute → inspect → plan → hold → opened → relay ⇄ meter → settle."""
    # Keys, prices and providers are those of the moment at which the call begins, to its end.
    snapshot = admit(fresh_enough(plane.snapshots.current, request.started_s, plane.settings.snapshot_max_age_s))
    now = datetime.fromtimestamp(request.started_ms / 1000, UTC)
    # Before anything is spent on it: a worker that is full says so at once.
    if len(plane.open) >= plane.limits.concurrent_calls_max:
        raise RefusedError(FULL)
    # Who calls is told by the head alone: strangers buy no parsing.
    head = admit(plane.heads.read(request, snapshot.keys, now))
    # From here on the caller is known, so that whatever happens is on record.
    with CallRecord(plane, head, snapshot, request) as record:
        route = admit(head.route)
        body = await read_body(record, request, head.objection, plane.limits)
        record.call = call = admit(read_request(route, body))
        # Whom it is booked to, before anything can be refused in somebody's name.
        grant = head.caller.grant
        if call.metadata:
            record.labels = admit(attribute(request.headers, call.metadata, grant.fixed_labels, grant.default_labels))
            record.flags = overruled_flags(request.headers, call.metadata, grant.fixed_labels)
        else:
            record.labels, record.flags = admit(head.labels), head.flags
        # What may not leave is stopped before anybody is chosen to receive it.
        workspace = snapshot.workspaces[head.caller.tenant_id]
        clearance = admit(inspect(call, record.labels, workspace.policies))
        plan = admit(plan_for(clearance, workspace.providers, grant.providers, head.mode))
        # A hold needs a price, a price needs a target.
        target = plan.targets[0]
        record.price_at = PriceAt(provider=KINDS[target.provider.kind].pricing, at=now)
        wishes = admit(head.wishes)
        hold = admit(within(hold_for(call, price_of(call, snapshot.book, record.price_at)), wishes.max_cost_nano_usd))
        # Durable before the upstream is contacted: what may cost money can no longer be forgotten.
        await record.open(target, hold)
        answer, strips = await send_first_that_answers(plane, record, plan)
        # Settles, closes the record, and then ends the client's answer.
        await relay(record, answer, plane.limits, strip_usage=strips)


def _answer(plane: Plane, request: Request, refusal: Refusal) -> None:
    plane.metrics.count("tollhouse_refusals", 1, refusal.code.code)
    if request.gone:
        return
    if request.answering:
        request.edge.abort()
        return
    refuse(request, refusal, family_of_request(request))
