"""Which provider serves a call."""

from __future__ import annotations

import msgspec
import pytest

from tollhouse.attribution.model import NO_LABELS
from tollhouse.identity.model import CredentialMode
from tollhouse.kernel.secret import Secret
from tollhouse.policy.model import Clearance
from tollhouse.policy.rules import inspect
from tollhouse.routing import rules
from tollhouse.routing.model import Plan, Provider, Target
from tollhouse.routing.rules import plan
from tollhouse.wire.call import Call, Dialect, Family, Operation, Route

OPENAI = Provider(name="openai", kind="openai", scheme="https", host="api.openai.com", port=443)
GROQ = msgspec.structs.replace(OPENAI, name="groq", kind="groq", host="api.groq.com", credential=Secret("k"))
PROVIDERS = {"openai": OPENAI, "groq": GROQ}


def cleared(provider: str | None = None, family: Family = Family.OPENAI) -> Clearance:
    route = Route(
        family=family,
        dialect=Dialect.OPENAI_CHAT,
        operation=Operation.CHAT,
        provider=provider,
        upstream_path="/v1/chat/completions",
    )
    verdict = inspect(Call(route=route, model="m", stream=False, body=b"{}"), NO_LABELS, ())
    assert isinstance(verdict, Clearance)
    return verdict


def test_path_without_a_name_goes_to_the_default_of_its_family() -> None:
    """Under pass-through no credential of ours is needed."""
    made = plan(cleared(), PROVIDERS, (), CredentialMode.PASSTHROUGH)
    assert isinstance(made, Plan)
    assert (made.reason, len(made.targets)) == ("default of the path", 1)
    assert (made.targets[0].provider is OPENAI, made.targets[0].model) == (True, "m")


@pytest.mark.parametrize("mode", [CredentialMode.VAULT, CredentialMode.PASSTHROUGH])
def test_path_with_a_name_goes_there(mode: str) -> None:
    """In either mode."""
    made = plan(cleared("groq"), PROVIDERS, ("groq",), mode)
    assert isinstance(made, Plan)
    assert made.reason == "named by the path"
    assert isinstance(made.targets[0], Target)
    assert made.targets[0].provider is GROQ


def test_provider_that_is_not_there_has_no_route() -> None:
    """A name that nobody configured, and a family without a default."""
    assert plan(cleared("nowhere"), PROVIDERS, (), CredentialMode.PASSTHROUGH) is rules.NOT_CONFIGURED
    assert plan(cleared(family=Family.GEMINI), PROVIDERS, (), CredentialMode.VAULT) is rules.NOT_CONFIGURED


@pytest.mark.parametrize("name", ["openai", "nowhere"])
def test_limited_key_learns_nothing_of_other_providers(name: str) -> None:
    """What is there and what is not answer alike."""
    assert plan(cleared(name), PROVIDERS, ("groq",), CredentialMode.PASSTHROUGH) is rules.NOT_GRANTED


@pytest.mark.parametrize("kind", ["vllm", "ollama", "openai-compatible", "anthropic-compatible"])
def test_kind_that_needs_no_key_is_served_without_one(kind: str) -> None:
    """The servers that people run themselves, in vault mode too."""
    local = msgspec.structs.replace(OPENAI, name="local", kind=kind)
    made = plan(cleared("local"), {"local": local}, (), CredentialMode.VAULT)
    assert isinstance(made, Plan)
    assert made.targets[0].provider is local


def test_vault_mode_needs_a_credential() -> None:
    """The message says how to add one."""
    assert plan(cleared(), PROVIDERS, (), CredentialMode.VAULT) is rules.NO_CREDENTIAL
    assert "key_file" in rules.NO_CREDENTIAL.message
