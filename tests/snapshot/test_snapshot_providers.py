"""The providers of a workspace."""

from __future__ import annotations

import pytest

from tollhouse.kernel.errors import ConfigError
from tollhouse.routing.model import Provider
from tollhouse.settings import ProviderSetting
from tollhouse.snapshot.providers import built_in_providers, configured_providers, provider_of
from tollhouse.wire.call import Family
from tollhouse.wire.providers import KINDS


def made(**fields: object) -> Provider:
    return provider_of("p", ProviderSetting(**{"kind": "openai", **fields}))  # type: ignore[arg-type]


def test_known_kinds_serve_without_configuration() -> None:
    """Each kind with a public address, over TLS, without a credential; the three families' defaults among them."""
    providers = built_in_providers()
    assert providers.keys() == {kind.name for kind in KINDS.values() if kind.base_url}
    assert {Family.OPENAI.value, Family.ANTHROPIC.value, Family.GEMINI.value} <= providers.keys()
    assert {(p.scheme, p.port, p.credential, p.allow_private) for p in providers.values()} == {
        ("https", 443, None, False)
    }
    assert providers["anthropic"].host == "api.anthropic.com"


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://api.example.com", ("https", "api.example.com", 443, "")),
        ("https://api.example.com/", ("https", "api.example.com", 443, "")),
        ("https://api.example.com/v1", ("https", "api.example.com", 443, "")),
        ("https://api.example.com/llm/v1/", ("https", "api.example.com", 443, "/llm")),
        ("https://API.example.com:8443/a/b", ("https", "api.example.com", 8443, "/a/b")),
        ("https://[2001:db8::1]:8443", ("https", "2001:db8::1", 8443, "")),
    ],
)
def test_base_url_is_taken_apart(base_url: str, expected: tuple[str, str, int, str]) -> None:
    """With its default port, and without the version that upstream paths have already."""
    provider = made(base_url=base_url)
    assert (provider.scheme, provider.host, provider.port, provider.base_path) == expected


def test_plain_http_needs_a_private_network() -> None:
    """Only where the operator said that the server is in one."""
    provider = made(base_url="http://10.0.0.5:8000/v1", allow_private=True)
    assert (provider.scheme, provider.port, provider.allow_private) == ("http", 8000, True)
    with pytest.raises(ConfigError, match="must be https"):
        made(base_url="http://10.0.0.5:8000/v1")


@pytest.mark.parametrize(
    "base_url",
    [
        "api.example.com",
        "ftp://api.example.com",
        "https://",
        "https://user:hunter2@api.example.com",
        "https://api.example.com?key=hunter2",
        "https://api.example.com#hunter2",
        "https://api.example.com:port",
        "https://api.example.com:0",
        "https://api.example.com:99999",
        "https://api.example.com/a b",
        "https://api.example.com\r\nx: y",
        "https://[::1",
    ],
)
def test_unusable_base_url_is_refused_without_repeating_it(base_url: str) -> None:
    """People put passwords into URLs."""
    with pytest.raises(ConfigError, match=r"providers\.p: base_url") as caught:
        made(base_url=base_url)
    assert "hunter2" not in str(caught.value)


def test_unusable_table_is_refused() -> None:
    """Unknown kind, a kind without an address, a name that no path can have."""
    with pytest.raises(ConfigError, match=f"kind must be one of {', '.join(sorted(KINDS))}"):
        made(kind="opnai")
    with pytest.raises(ConfigError, match="set base_url"):
        made(kind="vllm")
    with pytest.raises(ConfigError, match="a name has"):
        provider_of("a/b", ProviderSetting(kind="openai"))


def test_tables_belong_to_workspaces() -> None:
    """By field or by slash; one address twice is refused."""
    openai = ProviderSetting(kind="openai")
    configured = configured_providers(
        {"a": openai, "lab/a": openai, "b": ProviderSetting(kind="groq", workspace="lab")}
    )
    assert set(configured) == {("default", "a"), ("lab", "a"), ("lab", "b")}
    with pytest.raises(ConfigError, match="already"):
        configured_providers({"a": ProviderSetting(kind="openai", workspace="lab"), "lab/a": openai})
