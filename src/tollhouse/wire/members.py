"""The top level of a JSON object: its keys and where their values stand, so that bytes can be spliced, not rewritten.

Rules: the whole body must be one valid JSON object, in UTF-8, at most 64 levels deep, no key twice at the top level
(two readers would disagree on which counts). Never builds what is nested, never echoes what it read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

DEPTH_MAX = 64
STRINGS_MAX = 100_000
UNCOUNTED_BYTES_MAX = 256 * 1024
"""A body of this size cannot hold enough members to matter."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NEXT_KEY = re.compile(rb'[ \t\r\n]*+[{,][ \t\r\n]*+"([^"\\]*+(?:\\.[^"\\]*+)*+)"[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_END = re.compile(rb"[ \t\r\n]*+\}[ \t\r\n]*+\Z")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_TWICE = "the body has the same key twice at its top level"


class Member(msgspec.Struct, frozen=True, gc=False):
    """A value's bytes and its place in the body: body[start:end] == value. Positional: made per key."""

    start: int
    end: int
    value: bytes


class MalformedError(ValueError):
    """The text is not acceptable JSON; the message says why in words for its sender."""


def read_object(body: bytes) -> dict[str, msgspec.Raw]:
    """The values by key, in order. MalformedError if the body is not an acceptable object."""
    if len(body) > UNCOUNTED_BYTES_MAX and (body.count(b'"') - body.count(b'\\"')) // 2 > STRINGS_MAX:
        # Built up as values, millions of members would hold up every other call for seconds.
        raise MalformedError(f"the body has more than {STRINGS_MAX} keys and strings")
    try:
        values = _OBJECT.decode(body)
    except msgspec.ValidationError as error:
        raise MalformedError("the body must be a JSON object") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError("the body is not valid JSON, or it is cut short") from error
    except RecursionError as error:
        raise MalformedError(f"the body is nested deeper than {DEPTH_MAX} levels") from error
    if not (body.isascii() or is_utf8(body)):
        raise MalformedError("the body is not valid UTF-8")
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and is_deeper(body, DEPTH_MAX):
        raise MalformedError(f"the body is nested deeper than {DEPTH_MAX} levels")
    if not _is_filled_by(body, values):
        locate(body, values)
    return values


def read_members(body: bytes) -> dict[str, Member]:
    """Members by key, in order, with their places. MalformedError if the body is not an acceptable object."""
    return locate(body, read_object(body))


def is_utf8(text: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_deeper(body: bytes, depth: int) -> bool:
    """Whether valid JSON nests arrays and objects deeper than `depth`. Linear in the body for a fixed depth."""
    if body.count(b"[") + body.count(b"{") <= depth:
        return False
    if b"\\" in body:
        # Pairs of backslashes first: what then still precedes a quote escapes it.
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_strings = body.translate(_ONE_KIND, _NOT_STRUCTURE).split(b'"')[::2]
    brackets = b"".join(outside_strings)
    for _ in range(depth):
        if not brackets:
            return False
        # Takes exactly one level of innermost pairs off.
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _is_filled_by(body: bytes, values: Mapping[str, msgspec.Raw]) -> bool:
    """Whether these members, written without any space, are as long as the body: then nothing else fits in it.

    Nearly all clients write JSON so; it spares the walk that finds keys standing twice.
    """
    size = 1 + 4 * len(values)
    for name, raw in values.items():
        size += len(name) + len(memoryview(raw))
    return size == len(body)


def locate(body: bytes, values: Mapping[str, msgspec.Raw]) -> dict[str, Member]:
    """Walks from key to key, jumping over each value by the length of the value decoded for it.

    Of a key that stands twice only the last value was decoded. Then either the jump does not fit (the bytes differ,
    or a number goes on behind it) or the key is met again: both are found, so reaching the end proves there is none.
    """
    members: dict[str, Member] = {}
    position = 0
    for _ in values:
        key = _NEXT_KEY.match(body, position)
        name = _name(key.group(1)) if key else ""
        raw = values.get(name)
        if key is None or raw is None or name in members:
            raise MalformedError(_TWICE)
        value = bytes(raw)
        start = key.end()
        if not body.startswith(value, start):
            raise MalformedError(_TWICE)
        position = start + len(value)
        members[name] = Member(start, position, value)
    if values and _END.match(body, position) is None:
        raise MalformedError(_TWICE)
    return members


def _name(key: bytes) -> str:
    """A key as written between its quotes, decoded."""
    if b"\\" in key:
        return msgspec.json.decode(b'"' + key + b'"', type=str)
    return key.decode()
