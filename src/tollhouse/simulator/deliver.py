"""Deliver: sends an answer at the pace and with the faults that were asked for, and bills it as it is generated.

Shell. An answer that is not streamed is billed in full before its first byte; a stream is billed event by event, and
stops with its client. Faults in the middle of an answer that is not streamed count pieces of PIECE_BYTES.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterable

import msgspec

from tollhouse.simulator.answer import Answer
from tollhouse.simulator.bill import Charge
from tollhouse.simulator.control import Controls, Fault
from tollhouse.simulator.wire import Wire

PIECE_BYTES = 64
YIELD_EVERY = 16
"""Events after which an unhurried stream lets others run, and hears of its client's departure."""
GARBAGE = b'\x00\xff\xfe\x80 {"choices": [ NaN, \'unterminated \xc3('
GARBAGE_EVENT = b"data: " + GARBAGE + b"\n\n"
GZIP = (b"content-encoding", b"gzip")

Headers = list[tuple[bytes, bytes]]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with all that decides how it goes out."""

    answer: Answer
    headers: Headers
    controls: Controls
    charge: Charge | None
    gzip: bool = False


async def deliver(delivery: Delivery, wire: Wire) -> None:
    """Sends the whole answer, or as much of it as the faults and the client let through."""
    controls, charge = delivery.controls, delivery.charge
    if charge is not None and delivery.answer.events is None:
        charge.finish()
    if controls.latency_ms:
        await asyncio.sleep(controls.latency_ms / 1000)
    faults = controls.faults
    if not faults:
        await (_whole(delivery, wire) if delivery.answer.events is None else _stream(delivery, wire))
    elif Fault.STALL_BEFORE in faults:
        await wire.stall()
    elif Fault.RESET_BEFORE in faults:
        await wire.reset()
    elif Fault.RESET_HEAD in faults:
        await wire.head(delivery.answer.status, _framed(delivery, None))
        await wire.reset()
    elif Fault.GARBAGE in faults:
        await _send_body(delivery, GARBAGE, wire)
    elif delivery.answer.events is None:
        await _faulty_whole(delivery, wire)
    else:
        await _stream(delivery, wire)


async def _whole(delivery: Delivery, wire: Wire) -> None:
    await _send_body(delivery, delivery.answer.body, wire)


async def _send_body(delivery: Delivery, body: bytes, wire: Wire) -> None:
    if delivery.gzip:
        body = gzip.compress(body, mtime=0)
    await wire.whole(delivery.answer.status, _framed(delivery, len(body)), body)


async def _faulty_whole(delivery: Delivery, wire: Wire) -> None:
    faults = delivery.controls.faults
    body = delivery.answer.body
    if Fault.GARBAGE_MID in faults:
        cut = min(faults[Fault.GARBAGE_MID] * PIECE_BYTES, len(body))
        body = body[:cut] + GARBAGE + body[cut:]
    if delivery.gzip:
        body = gzip.compress(body, mtime=0)
    short = 100 if Fault.WRONG_LENGTH in faults else 0
    await wire.head(delivery.answer.status, _framed(delivery, len(body) + short))
    size = 1 if Fault.DRIP in faults else PIECE_BYTES
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    for number, piece in enumerate(pieces):
        if wire.gone or await _broken_off(delivery.controls, number, wire):
            return
        await wire.piece(piece)
        await asyncio.sleep(delivery.controls.pace_ms / 1000)
    if short:
        await wire.close()
    elif not await _broken_off(delivery.controls, len(pieces), wire, last=True):
        await wire.end()


async def _stream(delivery: Delivery, wire: Wire) -> None:
    answer, controls, charge = delivery.answer, delivery.controls, delivery.charge
    encoder = zlib.compressobj(wbits=31) if delivery.gzip else None
    await wire.head(answer.status, _framed(delivery, None))
    pause_s = controls.pace_ms / 1000
    number = 0
    for number, (event, generated) in enumerate(_events(delivery), 1):
        if number > 1 and (pause_s or not number % YIELD_EVERY):
            await asyncio.sleep(pause_s)
        if wire.gone or (controls.faults and await _broken_off(controls, number - 1, wire)):
            return
        if charge is not None:
            charge.grow(generated)
        await _send_event(event, encoder, wire, drip=Fault.DRIP in controls.faults)
    if controls.faults and await _broken_off(controls, number, wire, last=True):
        return
    if charge is not None and Fault.STREAM_ERROR not in controls.faults:
        charge.finish()
    await wire.end(encoder.flush() if encoder else b"")


def _events(delivery: Delivery) -> Iterable[tuple[bytes, int]]:
    """The stream's events with what has been generated after each, altered by the faults that alter it."""
    answer, faults = delivery.answer, delivery.controls.faults
    assert answer.events is not None
    events = list(zip(answer.events, answer.generated, strict=True)) if faults else []
    if not faults:
        return zip(answer.events, answer.generated, strict=True)
    if Fault.USAGE_TWICE in faults and answer.usage_at is not None:
        events.insert(answer.usage_at, events[answer.usage_at])
    if Fault.GARBAGE_MID in faults:
        at = min(faults[Fault.GARBAGE_MID], len(events))
        events.insert(at, (GARBAGE_EVENT, events[at - 1][1] if at else 0))
    if Fault.STREAM_ERROR in faults:
        at = min(faults[Fault.STREAM_ERROR], len(events))
        events = [*events[:at], (answer.error_event, events[at - 1][1] if at else 0)]
    return events


async def _send_event(event: bytes, encoder: zlib._Compress | None, wire: Wire, *, drip: bool) -> None:
    if encoder is not None:
        event = encoder.compress(event) + encoder.flush(zlib.Z_SYNC_FLUSH)
    if not drip:
        await wire.piece(event)
        return
    for value in event:
        await wire.piece(bytes((value,)))
        await asyncio.sleep(0)


async def _broken_off(controls: Controls, sent: int, wire: Wire, *, last: bool = False) -> bool:
    """Acts on the faults due after `sent` events, or, at the answer's end, on those that would come later still."""
    for fault, act in ((Fault.RESET_MID, wire.reset), (Fault.EOF_MID, wire.close), (Fault.STALL_MID, wire.stall)):
        due = controls.faults.get(fault)
        if due is not None and (due == sent or (last and due > sent)):
            await act()
            return True
    return False


def _framed(delivery: Delivery, length: int | None) -> Headers:
    framing = [GZIP] if delivery.gzip else []
    if length is not None:
        framing.append((b"content-length", b"%d" % length))
    return delivery.headers + framing
