"""`tollhouse keys`: made once, shown once, revoked once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tollhouse.identity.keys import parse_key
from tollhouse.kernel.ids import DEFAULT_TENANT


def _keys(tollhouse: Any, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tollhouse("keys", "list", "--json", *arguments).stdout.splitlines()]


def test_secret_is_printed_once(tollhouse: Any) -> None:
    """Alone on standard output, well-formed; no list shows it again."""
    done = tollhouse("keys", "create", "one")
    secret = done.stdout.strip()
    parsed = parse_key(secret.encode())
    assert done.exit_code == 0 and parsed is not None
    assert parsed.key_id in done.stderr and secret not in done.stderr
    for listing in (tollhouse("keys", "list"), tollhouse("keys", "list", "--json")):
        assert parsed.key_id in listing.stdout
        assert secret not in listing.output


def test_what_a_key_is_bound_to(tollhouse: Any) -> None:
    """Labels, providers, expiry and workspace are kept as they were said."""
    tollhouse("workspaces", "create", "second")
    done = tollhouse(
        *("keys", "create", "one", "--workspace", "second", "--fix", "team=ml", "--fix", "cost-center=4 2"),
        *("--default", "app=chat", "--provider", "openai", "--provider", "gemini"),
        *("--expires", "2999-01-01T00:00:00Z", "--json"),
    )
    made = json.loads(done.stdout)
    assert parse_key(made.pop("key").encode()) is not None
    assert _keys(tollhouse) == [made]
    assert made["workspace"] == "second" and made["workspace_id"] != DEFAULT_TENANT
    assert made["fixed_labels"] == {"team": "ml", "cost_center": "4 2"}
    assert made["default_labels"] == {"app": "chat"}
    assert made["providers"] == ["openai", "gemini"]
    assert made["expires_at"] == "2999-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["one", "--workspace", "nowhere"], "there is no workspace 'nowhere'"),
        (["x" * 129], "A key's name has"),
    ],
)
def test_refused(tollhouse: Any, arguments: list[str], said: str) -> None:
    """With one line and status 1; no key is made."""
    done = tollhouse("keys", "create", *arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr
    assert _keys(tollhouse) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--fix", "colour=red"],
        ["--default", "team="],
        ["--fix", "team"],
        ["--expires", "soon"],
        ["--expires", "2020-01-01"],
    ],
)
def test_wrong_usage(tollhouse: Any, arguments: list[str]) -> None:
    """Status 2, with the option; no key is made."""
    done = tollhouse("keys", "create", "one", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert arguments[0] in done.stderr
    assert _keys(tollhouse) == []


def test_an_expiry_counts_from_now(tollhouse: Any) -> None:
    """`30d` is thirty days from now."""
    made = json.loads(tollhouse("keys", "create", "one", "--expires", "30d", "--json").stdout)
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert 29 <= left.days <= 30


def test_a_provider_that_nobody_knows_is_remarked(tollhouse: Any) -> None:
    """It may be configured later, so the key is made; one that is built in needs no word."""
    done = tollhouse("keys", "create", "one", "--provider", "opnai", "--provider", "openai")
    assert done.exit_code == 0
    assert "Provider 'opnai' is neither built in" in done.stderr and "'openai'" not in done.stderr


def test_revoke(tollhouse: Any) -> None:
    """Found in whichever workspace it is; a second time there is nothing to revoke."""
    tollhouse("workspaces", "create", "second")
    key_id = json.loads(tollhouse("keys", "create", "one", "--workspace", "second", "--json").stdout)["key_id"]
    assert tollhouse("keys", "revoke", key_id).stdout == f"revoked {key_id} (one)\n"
    assert "revoked" in tollhouse("keys", "list").stdout
    assert tollhouse("keys", "revoke", key_id).exit_code == 1
    assert tollhouse("keys", "revoke", "unknown00000").exit_code == 1


def test_a_shared_database_needs_the_shared_pepper(tollhouse: Any, environment: dict[str, str]) -> None:
    """A pepper that this host invents would make keys that no gateway knows."""
    del environment["TOLLHOUSE_PEPPER"]
    done = tollhouse("keys", "create", "one")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "TOLLHOUSE_PEPPER" in done.stderr
