"""`tollhouse workspaces`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tollhouse.kernel.ids import DEFAULT_TENANT


def test_made_and_listed(tollhouse: Any) -> None:
    """The default one is there from the first; a name is taken once."""
    made = json.loads(tollhouse("workspaces", "create", "second", "--json").stdout)
    again = tollhouse("workspaces", "create", "second")
    assert (again.exit_code, again.stderr) == (1, "tollhouse: there is a workspace 'second' already\n")
    listed = [json.loads(line) for line in tollhouse("workspaces", "list", "--json").stdout.splitlines()]
    assert listed == [{"workspace_id": DEFAULT_TENANT, "workspace": "default"}, made]
    assert made["workspace_id"] in tollhouse("workspaces", "list").stdout


@pytest.mark.parametrize("name", ["a/b", "", "x" * 129, "a\nb"])
def test_names_that_cannot_be(tollhouse: Any, name: str) -> None:
    """A configuration file writes WORKSPACE/NAME, so no name has a slash."""
    assert tollhouse("workspaces", "create", name).exit_code == 2
