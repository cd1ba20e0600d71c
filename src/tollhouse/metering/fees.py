"""Fee items: what is billed by the piece beside the tokens.

Rules: a count in the usage object wins over counting output items, so that nothing is charged twice. Only what a
provider bills is a fee: page fetches and refused searches are not.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollhouse.metering.count import Reader, without_zeros

ITEM_FEES = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "search_query": "search_query",
    "container": "container",
    "image": "image",
}
"""Kinds of output items that carry a fee, as the wire counts them, and the fee's name."""

SERVER_TOOL_FEES = {
    "web_search_calls": "web_search",
    "x_search_calls": "x_search",
    "code_interpreter_calls": "code_execution",
    "file_search_calls": "file_search",
    "document_search_calls": "document_search",
}
"""xAI's counts of server-side tools."""


def fees_of(reader: Reader, items: Mapping[str, int]) -> dict[str, int]:
    """Fee items of one answer: from its usage object, else from its counted output items."""
    fees: dict[str, int] = {}
    if items:
        fees.update({ITEM_FEES[kind]: count for kind, count in items.items() if count > 0 and kind in ITEM_FEES})
    usage = reader.usage
    for key in ("server_tool_use", "server_tool_use_details"):
        if key in usage:
            searches = reader.count("web_search_requests", reader.part(key))
            if searches is not None:
                fees["web_search"] = searches
    if "server_side_tool_usage_details" in usage:
        details = reader.part("server_side_tool_usage_details")
        fees.update({fee: reader.count(key, details) or 0 for key, fee in SERVER_TOOL_FEES.items()})
    elif "num_sources_used" in usage:
        fees["search_source"] = reader.count("num_sources_used") or 0
    if "num_search_queries" in usage:
        fees["search_query"] = reader.count("num_search_queries") or 0
    return without_zeros(fees) if fees else fees
