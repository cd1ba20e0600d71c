"""The tier and region that an answer names."""

from __future__ import annotations

import pytest

from tollhouse.metering.tier import region_of, tier_of
from tollhouse.wire.call import Reported


@pytest.mark.parametrize(
    ("usage", "service_tier", "tier"),
    [
        (None, None, "standard"),
        (None, "default", "standard"),
        (None, "priority", "priority"),
        (None, "fast", "fast"),
        ({"service_tier": "standard", "speed": "fast"}, "standard", "fast"),
        ({"service_tier": "batch"}, None, "batch"),
        ({"trafficType": "ON_DEMAND_FLEX"}, None, "flex"),
        ({"trafficType": "ON_DEMAND"}, None, "standard"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, None, "provisioned"),
        (None, "Scale", "scale"),
    ],
)
def test_the_answer_names_the_tier(usage: dict | None, service_tier: str | None, tier: str) -> None:
    """Names of the ordinary tier are one; any other keeps its own."""
    assert tier_of(Reported(usage=usage, service_tier=service_tier)) == tier


def test_the_tier_may_stand_in_the_first_usage_object_alone() -> None:
    """Anthropic's streams name the tier at the start."""
    assert tier_of(Reported(usage={"output_tokens": 1}, usage_first={"service_tier": "priority"})) == "priority"


@pytest.mark.parametrize(
    ("geo", "region"), [("us", "us"), ("US", "us"), ("global", None), ("not_available", None), (None, None)]
)
def test_a_geography_is_a_region(geo: str | None, region: str | None) -> None:
    """Only a named geography can have a price of its own."""
    assert region_of(Reported(usage={"inference_geo": geo})) == region
