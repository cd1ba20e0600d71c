"""The corridor: what happens to a call, in order, read top-down.

Rooms decide, the corridor acts. Each step takes the evidence of the steps before it as an argument, so that none can be
skipped. A step that says no gives a `Refusal`; `admit` leaves the corridor with it, and `respond.refuse` answers it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from tollhouse.attribution.rules import attribute, overruled_flags, read_wishes
from tollhouse.budget.rules import hold_for, within
from tollhouse.gateway.body import read_body
from tollhouse.gateway.plane import Plane
from tollhouse.gateway.record import CallRecord, ClientGoneError, GatewayStoppingError
from tollhouse.gateway.relay import Relay
from tollhouse.gateway.request import HeaderNames, Request
from tollhouse.gateway.respond import family_of, refuse
from tollhouse.gateway.send import send_first_that_answers
from tollhouse.gateway.settlement import PriceAt, price_of
from tollhouse.identity.rules import authenticate, find_credentials
from tollhouse.kernel.errors import ProviderError
from tollhouse.kernel.refusal import Refusal, RefusalCode, RefusedError, admit
from tollhouse.policy.rules import inspect
from tollhouse.routing.rules import plan as plan_for
from tollhouse.snapshot.rules import fresh_enough
from tollhouse.telemetry.log import log
from tollhouse.wire.call import Family, Route
from tollhouse.wire.dialects import read_request
from tollhouse.wire.paths import match
from tollhouse.wire.providers import KINDS

FULL = Refusal(
    code=RefusalCode.UNAVAILABLE, message="This gateway has as many calls open as it may; try again.", retry_after_s=1
)
STOPPING = Refusal(
    code=RefusalCode.UNAVAILABLE, message="This gateway is stopping and could not finish the call.", retry_after_s=1
)


async def corridor(plane: Plane, request: Request) -> None:
    """Walks one call; answers every way in which it can end."""
    names = HeaderNames(request.fields)
    route = match(request.method, request.raw_path, names)
    family = family_of(request.raw_path, names) if isinstance(route, Refusal) else route.family
    try:
        await walk(plane, request, route)
    except RefusedError as refused:
        _answer(plane, request, family, refused.refusal)
    except ClientGoneError:
        # Its record is closed, and there is nobody to answer.
        pass
    except GatewayStoppingError:
        _answer(plane, request, family, STOPPING)
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
        _answer(plane, request, family, fault)


async def walk(plane: Plane, request: Request, route: Route | Refusal) -> None:
    """receive head → authenticate → read → attribute → inspect → plan → hold → opened → relay ⇄ meter → settle."""
    # Keys, prices and providers are those of the moment at which the call begins, to its end.
    snapshot = admit(fresh_enough(plane.snapshots.current, request.started_s, plane.settings.snapshot_max_age_s))
    now = datetime.fromtimestamp(request.started_ms / 1000, UTC)
    # Before anything is spent on it: a worker that is full says so at once.
    if len(plane.open) >= plane.limits.concurrent_calls_max:
        raise RefusedError(FULL)
    # From the head alone, before the body is read: strangers buy no parsing.
    credentials = admit(find_credentials(request.headers, request.query))
    caller = admit(authenticate(credentials, snapshot.keys, plane.peppers, now))
    # From here on the caller is known, so that whatever happens is on record.
    with CallRecord(plane, caller, snapshot, request) as record:
        matched = admit(route)
        body = await read_body(record, request, plane.limits)
        record.call = call = admit(read_request(matched, body))
        # Whom it is booked to, before anything can be refused in somebody's name.
        grant = caller.grant
        record.labels = admit(attribute(request.headers, call.metadata, grant.fixed_labels, grant.default_labels))
        record.flags = overruled_flags(request.headers, call.metadata, grant.fixed_labels)
        # What may not leave is stopped before anybody is chosen to receive it.
        workspace = snapshot.workspaces[caller.tenant_id]
        clearance = admit(inspect(call, record.labels, workspace.policies))
        plan = admit(plan_for(clearance, workspace.providers, grant.providers, credentials.mode))
        # A hold needs a price, a price needs a target.
        target = plan.targets[0]
        record.price_at = PriceAt(provider=KINDS[target.provider.kind].pricing, at=now)
        wishes = admit(read_wishes(request.headers))
        hold = admit(within(hold_for(call, price_of(call, snapshot.book, record.price_at)), wishes.max_cost_nano_usd))
        # Durable before the upstream is contacted: what may cost money can no longer be forgotten.
        await record.open(target, hold, credentials.mode)
        answer, strips = await send_first_that_answers(plane, record, plan, credentials)
        # Settles, closes the record, and then ends the client's answer.
        await Relay(record, answer, plane.limits, strip_usage=strips).run()


def _answer(plane: Plane, request: Request, family: Family, refusal: Refusal) -> None:
    plane.metrics.count("tollhouse_refusals", 1, refusal.code.code)
    if request.edge.gone:
        return
    if request.edge.answering:
        request.edge.abort()
        return
    # Who is refused may not go on sending: nobody reads it, and no deadline watches it any more.
    close = request.edge.sending or refusal.code in (RefusalCode.TOO_LARGE, RefusalCode.REQUEST_TIMEOUT)
    refuse(request.edge, refusal, family, request.call_id, close=close)
