"""Whom a call is booked to: labels from what the key fixes, then headers, then body metadata, then the key's defaults.

A header that contradicts a fixed label does not change it and does not fail the call, since a label is not worth an
outage; `overruled` names such labels so that the record can be flagged. Where a label is said under several prefixes,
`X-Tollhouse-` goes before `X-ModelTrack-` before `X-ModelSpend-`; one header twice with different values is refused.
Body metadata belongs to the provider first: values there that cannot be labels are left alone, not refused.
Never reads `user_id`, never echoes a value. Header names are lower-case, as the edge gives them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from tollhouse.attribution.model import LABEL_CHARACTERS_MAX, LABEL_NAMES, NO_LABELS, Labels
from tollhouse.kernel.money import usd_to_nano
from tollhouse.kernel.refusal import Refusal, RefusalCode

OWN_PREFIXES = (b"x-tollhouse-", b"x-modeltrack-", b"x-modelspend-")
"""Headers that begin so are ours, known or not, and are never forwarded."""

LABEL_HEADERS: Mapping[bytes, tuple[str, int]] = {
    **{b"x-tollhouse-" + name.replace("_", "-").encode(): (name, 0) for name in LABEL_NAMES},
    **{b"x-modeltrack-" + name.replace("_", "-").encode(): (name, 1) for name in LABEL_NAMES},
    b"x-modelspend-customer-id": ("customer", 2),
    b"x-modelspend-feature-id": ("feature", 2),
    b"x-modelspend-cost-center": ("cost_center", 2),
    b"x-modelspend-environment": ("environment", 2),
}
"""Header name to label and rank; the lower rank wins."""

METADATA_LABELS: Mapping[str, str] = {
    **{name: name for name in LABEL_NAMES},
    "customer_id": "customer",
    "customerId": "customer",
    "customerTier": "customer_tier",
    "feature_id": "feature",
    "featureId": "feature",
    "costCenter": "cost_center",
    "sessionId": "session_id",
    "traceId": "trace_id",
    "promptTemplate": "prompt_template",
}
"""Keys of a body's `metadata` that are labels. `user_id` is none: clients put identities of people there."""

_UTF8_BYTES_MAX = 4
_GATEWAY_KEY_HEAD = "th_live_"
_YES = frozenset((b"true", b"1", b"yes", b"on"))
_NO = frozenset((b"", b"false", b"0", b"no", b"off"))
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_WISH_HEADERS: Mapping[bytes, str] = {
    prefix + suffix: field
    for prefix in OWN_PREFIXES
    for suffix, field in ((b"no-cache", "no_cache"), (b"no-route", "no_route"), (b"max-cost-usd", "max_cost"))
}


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks of this one call."""

    no_cache: bool = False
    no_route: bool = False
    max_cost_nano_usd: int | None = None
    """Refuse rather than let the call's ceiling pass this."""


NO_WISHES = Wishes()


def attribute(
    headers: Sequence[tuple[bytes, bytes]],
    metadata: Mapping[str, str],
    fixed: Mapping[str, str],
    defaults: Mapping[str, str],
) -> Labels | Refusal:
    """The labels of a call. BAD_REQUEST, naming the header, for a value that is too long or not printable."""
    said = _read_headers(headers)
    if isinstance(said, Refusal):
        return said
    if not (said or metadata or fixed or defaults):
        return NO_LABELS
    labels = dict(defaults) if defaults else {}
    if metadata:
        labels.update(_read_metadata(metadata))
    labels.update(said)
    if fixed:
        labels.update(fixed)
    return Labels(**labels)


def overruled(
    headers: Sequence[tuple[bytes, bytes]], metadata: Mapping[str, str], fixed: Mapping[str, str]
) -> tuple[str, ...]:
    """Names of the labels that the call said differently from what its key fixes, in alphabetical order."""
    if not fixed:
        return ()
    said = _read_headers(headers)
    if isinstance(said, Refusal):
        return ()
    told = _read_metadata(metadata) | said
    return tuple(sorted(name for name, value in fixed.items() if told.get(name, value) != value))


def overruled_flags(
    headers: Sequence[tuple[bytes, bytes]], metadata: Mapping[str, str], fixed: Mapping[str, str]
) -> tuple[str, ...]:
    """Flags for the record: one for each label that the call said differently from what its key fixes."""
    return tuple(f"label_overruled:{name}" for name in overruled(headers, metadata, fixed)) if fixed else ()


def read_wishes(headers: Sequence[tuple[bytes, bytes]]) -> Wishes | Refusal:
    """The control headers of a call; BAD_REQUEST, naming the header, for a value that means nothing."""
    wishes = NO_WISHES
    for name, value in [header for header in headers if header[0] in _WISH_HEADERS]:
        field = _WISH_HEADERS[name]
        wish = _read_amount(name, value) if field == "max_cost" else _read_switch(name, value)
        if isinstance(wish, Refusal):
            return wish
        wishes = _combined(wishes, field, wish)
    return wishes


def declared_labels(labels: Mapping[str, str]) -> Mapping[str, str] | Refusal:
    """Labels that a key may fix or default to, without surrounding blanks; BAD_REQUEST says which cannot be."""
    if not labels.keys() <= set(LABEL_NAMES):
        return Refusal(code=RefusalCode.BAD_REQUEST, message=f"A label is one of {', '.join(LABEL_NAMES)}.")
    values: dict[str, str] = {}
    for name, text in labels.items():
        value = label_value(text)
        if not value:
            why = f"must be printable, not empty, and at most {LABEL_CHARACTERS_MAX} characters"
            return Refusal(code=RefusalCode.BAD_REQUEST, message=f"Label {name} {why}.")
        values[name] = value
    return values


def label_value(text: str) -> str | None:
    """A label's value without surrounding blanks, or None if it cannot be one (empty is not None but '')."""
    value = text.strip()
    if len(value) > LABEL_CHARACTERS_MAX or not value.isprintable():
        return None
    # A gateway key pasted into the wrong header must not end in the ledger.
    return None if _GATEWAY_KEY_HEAD in value else value


def _read_headers(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str] | Refusal:
    said: dict[str, str] = {}
    ranks: dict[str, int] = {}
    for name, raw in [header for header in headers if header[0] in LABEL_HEADERS]:
        label, rank = LABEL_HEADERS[name]
        value = _decoded(raw)
        if value is None:
            return _refused(name, f"must be printable and at most {LABEL_CHARACTERS_MAX} characters")
        if not value:
            continue
        before = ranks.get(label)
        # A label has one header of each rank, so an equal rank is the same header again.
        if before == rank and said[label] != value:
            return _refused(name, "was sent twice with different values")
        if before is None or rank < before:
            ranks[label] = rank
            said[label] = value
    return said


def _decoded(raw: bytes) -> str | None:
    """A header's text: UTF-8, or Latin-1 where it is not UTF-8, as HTTP once had it."""
    if len(raw) > LABEL_CHARACTERS_MAX * _UTF8_BYTES_MAX:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return label_value(text)


def _read_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for key, text in metadata.items():
        label = METADATA_LABELS.get(key)
        if label is None or (label in labels and key != label):
            continue
        value = label_value(text)
        if value:
            labels[label] = value
    return labels


def _read_switch(name: bytes, value: bytes) -> bool | Refusal:
    word = value.strip().lower()
    if word in _YES:
        return True
    return False if word in _NO else _refused(name, "must be true or false")


def _read_amount(name: bytes, value: bytes) -> int | Refusal:
    text = value.strip().decode("latin-1")
    if _AMOUNT.fullmatch(text) is None:
        return _refused(name, "must be an amount such as 0.05, with at most nine decimal places")
    return usd_to_nano(text)


def _combined(wishes: Wishes, field: str, wish: int) -> Wishes:
    """Said twice, the stricter wish counts."""
    if field == "no_cache":
        return msgspec.structs.replace(wishes, no_cache=wishes.no_cache or bool(wish))
    if field == "no_route":
        return msgspec.structs.replace(wishes, no_route=wishes.no_route or bool(wish))
    before = wishes.max_cost_nano_usd
    return msgspec.structs.replace(wishes, max_cost_nano_usd=wish if before is None else min(before, wish))


def _refused(name: bytes, why: str) -> Refusal:
    # Only names from our own tables come here, so the message repeats nothing that a caller made up.
    return Refusal(code=RefusalCode.BAD_REQUEST, message=f"Header {name.decode('ascii')} {why}.")
