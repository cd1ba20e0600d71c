"""Whether a call may leave the house."""

from __future__ import annotations

import pytest

from tollhouse.attribution.model import NO_LABELS, Labels
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.policy.model import CLEARED, Action, Clearance, Finding, Match, Policy, Verdict
from tollhouse.policy.rules import inspect, provider_name
from tollhouse.wire.call import Call, Dialect, Family, Operation, Route

ROUTE = Route(
    family=Family.OPENAI,
    dialect=Dialect.OPENAI_CHAT,
    operation=Operation.CHAT,
    provider=None,
    upstream_path="/v1/chat/completions",
)
CALL = Call(route=ROUTE, model="GPT-5-mini", stream=False, body=b"{}")
BLOCK_ALL = Policy(name="everything", action=Action.BLOCK)


def blocks(match: Match, labels: Labels = NO_LABELS) -> bool:
    return isinstance(inspect(CALL, labels, (Policy(name="p", match=match, action=Action.BLOCK),)), Refusal)


def test_no_policy_clears() -> None:
    """The clearance holds the call and the provider that it was inspected for."""
    assert inspect(CALL, NO_LABELS, ()) == Clearance(call=CALL, provider="openai", verdict=CLEARED)


def test_block_refuses_and_names_the_policy() -> None:
    """The caller learns which rule it was, and nothing of the call is repeated."""
    verdict = inspect(CALL, NO_LABELS, (BLOCK_ALL,))
    assert isinstance(verdict, Refusal)
    assert verdict.code is RefusalCode.POLICY_DENIED
    assert verdict.message == "Blocked by the workspace's policy 'everything'."


def test_first_deciding_policy_counts() -> None:
    """An allow before a block clears; a block before an allow refuses."""
    allow = Policy(name="ours", match=Match(labels={"team": ("ml",)}), action=Action.ALLOW)
    assert isinstance(inspect(CALL, Labels(team="ml"), (allow, BLOCK_ALL)), Clearance)
    assert isinstance(inspect(CALL, Labels(team="hr"), (allow, BLOCK_ALL)), Refusal)
    assert isinstance(inspect(CALL, Labels(team="ml"), (BLOCK_ALL, allow)), Refusal)


def test_flags_are_gathered() -> None:
    """A flag is noted and the next policy is asked; what comes after an allow is not."""
    flags = [Policy(name=name, action=Action.FLAG) for name in ("a", "b", "c")]
    allow = Policy(name="ok", action=Action.ALLOW)
    verdict = inspect(CALL, NO_LABELS, (flags[0], flags[1], allow, flags[2]))
    assert isinstance(verdict, Clearance)
    assert verdict.verdict == Verdict(
        action=Action.FLAG,
        findings=(Finding(policy="a", action=Action.FLAG), Finding(policy="b", action=Action.FLAG)),
    )


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Match(), True),
        (Match(models=("gpt-5-mini",)), True),
        (Match(models=("gpt-5",)), False),
        (Match(models=("claude-*", "gpt-5*")), True),
        (Match(models=("*",)), True),
        (Match(providers=("openai",)), True),
        (Match(providers=("anthropic",)), False),
        (Match(dialects=(Dialect.OPENAI_CHAT,)), True),
        (Match(dialects=(Dialect.RAW,)), False),
        (Match(labels={"team": ("ml", "ops")}), True),
        (Match(labels={"team": ("hr",)}), False),
        (Match(labels={"app": ("bot",)}), False),
        (Match(labels={"app": ("",)}), True),
        (Match(labels={"team": ("ml",), "app": ("bot",)}), False),
        (Match(models=("gpt-5*",), providers=("gemini",)), False),
    ],
)
def test_conditions_must_all_hold(match: Match, expected: bool) -> None:
    """Models in any case, an absent label as '', empty conditions for every call."""
    assert blocks(match, Labels(team="ml")) is expected


def test_path_names_the_provider() -> None:
    """`/providers/{name}/…` goes before the family's default."""
    named = Route(
        family=Family.OPENAI,
        dialect=Dialect.RAW,
        operation=Operation.RAW,
        provider="groq",
        upstream_path="/x",
    )
    assert (provider_name(ROUTE), provider_name(named)) == ("openai", "groq")
