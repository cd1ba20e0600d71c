"""Whether a call may leave the house: an ordered list of policies, asked one after the other.

`block` refuses, `allow` clears and ends the list, `flag` is noted and the next one is asked. No policy, no objection.
The only maker of a `Clearance`. Pure; never echoes what a call said.
"""

from __future__ import annotations

from tollhouse.attribution.model import Labels
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.policy.model import CLEARED, Action, Clearance, Finding, Match, Policy, Verdict
from tollhouse.wire.call import Call, Route


def inspect(call: Call, labels: Labels, policies: tuple[Policy, ...]) -> Clearance | Refusal:
    """Evidence that no policy objects to the call, with what was flagged; POLICY_DENIED naming the policy otherwise."""
    provider = provider_name(call.route)
    if not policies:
        return Clearance(call=call, provider=provider, verdict=CLEARED)
    findings: list[Finding] = []
    for policy in policies:
        if not _matches(policy.match, call, labels, provider):
            continue
        if policy.action is Action.BLOCK:
            return Refusal(
                code=RefusalCode.POLICY_DENIED, message=f"Blocked by the workspace's policy '{policy.name}'."
            )
        if policy.action is Action.ALLOW:
            break
        findings.append(Finding(policy=policy.name, action=policy.action))
    return Clearance(call=call, provider=provider, verdict=_verdict(findings))


def provider_name(route: Route) -> str:
    """The provider that a route asks for: the one its path names, else the default of its family."""
    return route.provider if route.provider is not None else route.family


def _verdict(findings: list[Finding]) -> Verdict:
    return Verdict(action=Action.FLAG, findings=tuple(findings)) if findings else CLEARED


def _matches(match: Match, call: Call, labels: Labels, provider: str) -> bool:
    if match.providers and provider not in match.providers:
        return False
    if match.dialects and call.route.dialect not in match.dialects:
        return False
    if match.models and not any(_names(pattern, call.model) for pattern in match.models):
        return False
    return all((getattr(labels, label) or "") in accepted for label, accepted in match.labels.items())


def _names(pattern: str, model: str) -> bool:
    wanted, asked = pattern.lower(), model.lower()
    return asked.startswith(wanted[:-1]) if wanted.endswith("*") else asked == wanted
