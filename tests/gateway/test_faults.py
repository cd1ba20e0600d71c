"""Every way in which a provider fails, against every way to ask: what the client is told, and what the ledger says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import msgspec

from dialogue import Ask, billed_nano_usd, chat, error_code, messages, request_id_in
from plain_http import Answer, exchange
from stack import Stack
from tollhouse.gateway.relay import GATHERED_BYTES_MAX
from traces import bills_of, marked, new_trace, rows_of

SHAPE = "chunks=8; input_tokens=20; output_tokens=40"
"""The provider counts fewer input tokens than bytes by four: JSON's punctuation is not its customers' text."""
DEADLINE_S = 5.0
HUGE_BYTES = {True: 5_000_000, False: GATHERED_BYTES_MAX + 500_000}
"""Streamed in one event; whole, the simulator sends it in small pieces, and it outgrows what is gathered."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One call with a fault."""

    ask: Ask
    fault: str
    trace: str

    @property
    def stream(self) -> bool:
        return bool(self.ask.body["stream"])

    def __str__(self) -> str:
        return f"{self.ask.path} stream={self.stream} {self.fault}"


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended: the client's answer, its duration, the ledger's row, the provider's bill."""

    case: Case
    answer: Any
    seconds: float
    row: dict[str, Any]
    bill: dict[str, Any] | None


def cases(faults: Iterable[str], streams: Iterable[bool] = (False, True)) -> list[Case]:
    """Each fault in both dialects."""
    makers = (chat, messages)
    return [
        Case(ask=make(stream), fault=fault, trace=new_trace())
        for make in makers
        for stream in streams
        for fault in faults
    ]


def run(stack: Stack, cases: list[Case]) -> list[Ended]:
    """All at once; each within its deadline."""

    async def one(case: Case) -> tuple[Answer, float]:
        begun = time.monotonic()
        simulate = f"{SHAPE}; fault={case.fault}"
        request = case.ask.written(stack.key, simulate=simulate, accept_encoding="gzip", **marked(case.trace))
        answer = await exchange(stack.gateway_url, request)
        return answer, time.monotonic() - begun

    async def all_of_them() -> list[tuple[Answer, float]]:
        return await asyncio.gather(*(one(case) for case in cases))

    answers = asyncio.run(all_of_them())
    traces = [case.trace for case in cases]
    rows, bills = rows_of(stack, traces), bills_of(stack, traces)
    ended = [
        Ended(case=case, answer=answer, seconds=seconds, row=rows[case.trace], bill=bills.get(case.trace))
        for case, (answer, seconds) in zip(cases, answers, strict=True)
    ]
    for end in ended:
        assert end.seconds < DEADLINE_S, f"{end.case} took {end.seconds:.1f} s"
        check_cost(end)
    return ended


def check_cost(end: Ended) -> None:
    """Never below the provider's bill, and exactly the bill unless the row says that it is not."""
    billed = billed_nano_usd(end.case.ask.family, end.bill)
    assert end.row["cost_nano_usd"] >= billed, f"{end.case}: the ledger is below the bill"
    if end.row["usage_source"] not in ("estimated", "partial"):
        assert end.row["cost_nano_usd"] == billed, f"{end.case}: {end.row['usage_source']} differs from the bill"


def check_refusal(end: Ended, status: int, code: str) -> None:
    """A whole error in the client's dialect, that knows its call."""
    answer, family = end.answer, end.case.ask.family
    assert (answer.status, answer.ended) == (status, True), str(end.case)
    assert error_code(family, answer.json) == code
    assert request_id_in(family, answer.json) == answer.request_id == "req_" + end.row["call_id"]
    assert (end.row["status"], end.row["error_code"]) == (status, code)


def test_error_statuses_pass_unchanged_and_are_free(stack: Stack) -> None:
    """The provider's own status and body, a retry-after as it came, cost 0, never tried again."""
    for end in run(
        stack, cases(("status:429; retry_after=7", "status:500", "status:503; retry_after=2", "status:529"))
    ):
        status = int(end.case.fault[7:10])
        assert (end.answer.status, end.answer.ended) == (status, True)
        assert "Simulated failure" in end.answer.json["error"]["message"]
        wanted = end.case.fault.partition("retry_after=")[2] or None
        assert end.answer.headers.get("retry-after") == wanted
        row = end.row
        assert (row["outcome"], row["status"], row["provider_status"]) == ("provider_error", status, status)
        assert (row["usage_source"], row["cost_nano_usd"], row["attempts"], end.bill) == ("none", 0, 1, None)
        assert row["error_code"]


def test_no_answer_is_an_error_in_the_clients_dialect(stack: Stack) -> None:
    """Sent and never answered: 502 or 504, and counted at its ceiling, since it may have been served."""
    for end in run(stack, cases(("reset_before", "stall_before"))):
        stalled = end.case.fault == "stall_before"
        check_refusal(end, *((504, "provider_timeout") if stalled else (502, "provider_unreachable")))
        assert end.row["outcome"] == ("provider_timeout" if stalled else "provider_unreachable")
        assert (end.row["usage_source"], end.row["provider_status"]) == ("estimated", None)
        assert end.row["cost_nano_usd"] == end.row["hold_nano_usd"] > 0
        assert end.row["flags"] == ["at_ceiling"]


def test_a_whole_answer_that_breaks_off_is_an_error(stack: Stack) -> None:
    """Nothing had been passed on, so the client gets a clear error instead of half a document; unknown is not free."""
    broken = ("reset_head", "reset_mid:3", "eof_mid:3", "stall_mid:3")
    for end in run(stack, cases(broken, streams=(False,))):
        stalled = end.case.fault.startswith("stall")
        check_refusal(end, *((504, "provider_timeout") if stalled else (502, "provider_unreachable")))
        assert end.row["outcome"] == ("provider_timeout" if stalled else "provider_cut")
        assert (end.row["usage_source"], end.row["provider_status"]) == ("estimated", 200)
        assert end.row["cost_nano_usd"] == end.row["hold_nano_usd"]


def test_usage_that_came_with_a_broken_answer_counts(stack: Stack) -> None:
    """A document that is complete although its framing is not: an error for the client, exact for the ledger."""
    for end in run(stack, cases(("wrong_length",), streams=(False,))):
        check_refusal(end, 502, "provider_unreachable")
        assert (end.row["outcome"], end.row["usage_source"]) == ("provider_cut", "reported")


def test_a_stream_that_breaks_off_is_cut(stack: Stack) -> None:
    """The answer had begun: the client's connection is cut, never ended cleanly, and what was delivered is counted."""
    for end in run(stack, cases(("reset_head", "reset_mid:6", "eof_mid:6", "stall_mid:6"), streams=(True,))):
        assert (end.answer.status, end.answer.ended, end.answer.closed) == (200, False, True), str(end.case)
        assert end.row["outcome"] == ("provider_timeout" if "stall" in end.case.fault else "provider_cut")
        delivered = end.case.fault != "reset_head"
        assert bool(end.answer.body) == delivered
        assert end.row["usage_source"] == ("partial" if delivered else "estimated")
        assert end.row["output_tokens"] > 0
        assert end.row["response_bytes"] == len(end.answer.body)


def test_an_error_inside_a_stream_is_relayed_and_recorded(stack: Stack) -> None:
    """The event is the client's to read; the call was no success."""
    for end in run(stack, cases(("stream_error:6",), streams=(True,))):
        assert (end.answer.status, end.answer.ended) == (200, True)
        assert b'"error"' in end.answer.body
        assert (end.row["outcome"], end.row["status"]) == ("provider_error", 200)
        assert end.row["error_code"] in ("server_error", "overloaded_error")


def test_odd_but_complete_answers_are_passed_on_and_exact(stack: Stack) -> None:
    """Byte by byte, compressed, usage told twice, one enormous line: a success, with what was reported."""
    huge = [case for stream, size in HUGE_BYTES.items() for case in cases((f"huge_line:{size}",), streams=(stream,))]
    for end in run(stack, [*huge, *cases(("drip", "gzip", "usage_twice"))]):
        assert (end.answer.status, end.answer.ended) == (200, True), str(end.case)
        row = end.row
        assert (row["outcome"], row["usage_source"], row["output_tokens"]) == ("completed", "reported", 40)
        assert row["response_bytes"] == len(end.answer.body)
        whole_gzip = end.case.fault == "gzip" and not end.case.stream
        assert (end.answer.headers.get("content-encoding") == "gzip") == whole_gzip
        if end.case.fault.startswith("huge_line"):
            assert b"x" * HUGE_BYTES[end.case.stream] in end.answer.body


def test_missing_usage_is_estimated_and_says_so(stack: Stack) -> None:
    """No usage is not no cost."""
    for end in run(stack, cases(("missing_usage",))):
        assert (end.answer.status, end.row["outcome"]) == (200, "completed")
        assert end.row["usage_source"] in ("estimated", "partial"), str(end.case)
        assert end.row["output_tokens"] > 0


def test_garbage_is_passed_on_and_counted_at_its_ceiling(stack: Stack) -> None:
    """The bytes are the provider's; an answer of which nothing can be read may have cost as much as it could."""
    for end in run(stack, [*cases(("garbage",)), *cases(("garbage_mid:3",), streams=(False,))]):
        assert (end.answer.status, end.answer.ended) == (200, True)
        assert b"unterminated" in end.answer.body
        row = end.row
        assert (row["outcome"], row["usage_source"]) == ("completed", "estimated")
        assert row["cost_nano_usd"] == row["hold_nano_usd"]
        assert row["response_bytes"] == len(end.answer.body)


def test_garbage_between_events_is_passed_over(stack: Stack) -> None:
    """The events around it are read, and the row notes what could not be."""
    for end in run(stack, cases(("garbage_mid:3",), streams=(True,))):
        assert b"unterminated" in end.answer.body
        assert (end.row["outcome"], end.row["usage_source"]) == ("completed", "reported")
        assert end.row["flags"] == ["event_unreadable"]


def test_a_provider_that_cannot_be_reached_costs_nothing(stack: Stack) -> None:
    """Refused, unresolved, forbidden, no TLS, no handshake: 502 or 504, tried twice; nothing was sent, so cost 0."""
    unreachable = dict.fromkeys(("closed", "plain", "nameless", "metadata"), (502, "provider_unreachable"))
    silent = dict.fromkeys(("full", "mute_tls", "silent"), (504, "provider_timeout"))
    wanted = unreachable | silent
    traces = {name: new_trace() for name in wanted}

    async def one(name: str) -> Answer:
        ask = msgspec.structs.replace(chat(), path=f"/providers/{name}/v1/chat/completions")
        own = {"x-tollhouse-key": stack.own_key} | marked(traces[name])
        return await exchange(stack.gateway_url, ask.written("sk-of-the-client", **own))

    async def all_of_them() -> list[Answer]:
        return await asyncio.gather(*(one(name) for name in wanted))

    answers = asyncio.run(all_of_them())
    rows = rows_of(stack, list(traces.values()))
    for (name, (status, code)), answer in zip(wanted.items(), answers, strict=True):
        row = rows[traces[name]]
        assert (answer.status, answer.ended, error_code("openai", answer.json)) == (status, True, code), name
        assert (row["outcome"], row["error_code"], row["status"]) == (code, code, status)
        sent = name == "silent"
        assert row["attempts"] == (1 if sent else 2)
        assert row["usage_source"] == ("estimated" if sent else "none")
        assert row["cost_nano_usd"] == (row["hold_nano_usd"] if sent else 0)
        assert row["credential_mode"] == "passthrough"
