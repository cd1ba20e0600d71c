"""Which tier and region a provider says that it served a call in; the answer's word counts, not the request's.

Rules: providers' names for the ordinary tier become `standard`. A tier that is not known stays under its own name, so
that it finds no price rather than a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollhouse.wire.call import Reported

STANDARD = "standard"

TIERS: Mapping[str, str] = {
    "default": STANDARD,
    "standard": STANDARD,
    "auto": STANDARD,
    "on_demand": STANDARD,
    "standard_only": STANDARD,
    "service_tier_unspecified": STANDARD,
    "traffic_type_unspecified": STANDARD,
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
    "provisioned_throughput": "provisioned",
}

TIER_KEYS = ("speed", "service_tier", "serviceTier", "trafficType")
"""Where a usage object may carry the tier; Anthropic's speed goes before its service tier."""

NO_REGION = frozenset({"", "global", "not_available"})


def tier_of(reported: Reported) -> str:
    """The tier of the price book that the answer was served in."""
    if reported.usage_plain:
        word = reported.service_tier
        return TIERS.get(word.lower(), word.lower()) if word else STANDARD
    named = [_word(reported, key) for key in TIER_KEYS]
    for word in (*named, reported.service_tier):
        tier = TIERS.get(word.lower(), word.lower()) if word else STANDARD
        if tier != STANDARD:
            return tier
    return STANDARD


def region_of(reported: Reported) -> str | None:
    """The geography that the answer was computed in, where the provider names one and may price it."""
    if reported.usage_plain:
        return None
    region = (_word(reported, "inference_geo") or "").lower()
    return None if region in NO_REGION else region


def _word(reported: Reported, key: str) -> str | None:
    """A word of the last usage object, else of the first."""
    for usage in (reported.usage, reported.usage_first):
        word = usage.get(key) if usage else None
        if isinstance(word, str) and word:
            return word
    return None
