"""Names under which a model may stand in the book.

Rules: exact first, because a dated id may have a price of its own; then the id without its date; on Bedrock also
without the region before it and the version behind it. Nothing else is taken off: `claude-opus-5` must not price
`claude-opus-5-5`. No memory is kept, so that strangers' ids cannot fill it.
"""

from __future__ import annotations

import re

DATE = re.compile(r"[-@]20\d\d(?:(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))$")
"""`-YYYYMMDD` or `-YYYY-MM-DD` at the end; Vertex writes `@` before it."""

BEDROCK_REGION = re.compile(r"^(us-gov|us|eu|apac|jp|au|ca|sa|me|af|global)\.(?=[a-z0-9-]+\.)")
BEDROCK_VERSION = re.compile(r"-v\d+(?::\d+)?(?::\d+k)?$")
BEDROCK = "bedrock"


def candidates(provider: str, model: str) -> list[tuple[str, str | None]]:
    """Names to look up in order, each with the region that it implies (Bedrock's inference profiles)."""
    names: list[tuple[str, str | None]] = [(model, None)]
    if provider != BEDROCK:
        undated = DATE.sub("", model)
        if undated != model:
            names.append((undated, None))
        return names
    name = model.rpartition("/")[2]
    region = BEDROCK_REGION.match(name)
    where = region.group(1) if region else None
    bare = name[region.end() :] if region else name
    unversioned = BEDROCK_VERSION.sub("", bare)
    for form in (name, bare, unversioned, DATE.sub("", unversioned)):
        if form != names[-1][0]:
            names.append((form, where))
    return names
