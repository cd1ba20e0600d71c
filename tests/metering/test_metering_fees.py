"""Fee items: from the usage object, else from the items that the answer listed."""

from __future__ import annotations

import pytest

from tollhouse.metering.count import Reader
from tollhouse.metering.fees import fees_of
from tollhouse.metering.model import Flag


@pytest.mark.parametrize(
    ("usage", "items", "fees"),
    [
        ({}, {}, {}),
        ({}, {"web_search_call": 2, "file_search_call": 1}, {"web_search": 2, "file_search": 1}),
        ({}, {"web_search_call.open_page": 3, "message": 1, "mcp_call": 2}, {}),
        ({}, {"web_search_call": 0, "image": -1}, {}),
        ({"server_tool_use": {"web_search_requests": 3}}, {"web_search_call": 2}, {"web_search": 3}),
        ({"server_tool_use": {"web_search_requests": 0}}, {"web_search_call": 2}, {}),
        ({"server_tool_use": {"web_fetch_requests": 3}}, {"web_search_call": 2}, {"web_search": 2}),
        ({"server_tool_use": None}, {}, {}),
        ({"server_tool_use_details": {"web_search_requests": 1}}, {}, {"web_search": 1}),
        ({"num_search_queries": 4}, {"search_query": 1}, {"search_query": 4}),
        ({"num_sources_used": 5}, {}, {"search_source": 5}),
        (
            {"num_sources_used": 5, "server_side_tool_usage_details": {"x_search_calls": 2, "web_search_calls": 0}},
            {},
            {"x_search": 2},
        ),
    ],
)
def test_what_the_usage_counts_wins_over_what_was_listed(
    usage: dict[str, object], items: dict[str, int], fees: dict[str, int]
) -> None:
    """Given counts in the usage, in the items, or in both, when read, then nothing is charged twice."""
    assert fees_of(Reader(usage), items) == fees


def test_a_fee_that_counts_nothing_is_flagged() -> None:
    """Given a count that is none, when read, then it is flagged, and what was listed stands."""
    reader = Reader({"server_tool_use": {"web_search_requests": "3"}})
    assert fees_of(reader, {"web_search_call": 1}) == {"web_search": 1}
    assert reader.flags == [Flag.INVALID.value]
