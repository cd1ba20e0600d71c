"""Which provider serves a cleared call, with which credential.

For now a plan has one target: the provider that the call was cleared for. A key's limits are checked before anything
is said about what a workspace has, so that a limited key cannot learn it. Pure; never echoes what a call said.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollhouse.identity.model import CredentialMode
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.policy.model import Clearance
from tollhouse.routing.model import Plan, Provider, Target
from tollhouse.wire.providers import KINDS

NOT_GRANTED = Refusal(
    code=RefusalCode.FORBIDDEN,
    message="This gateway key may not use the provider that was asked for. "
    "Use a provider it is limited to, or ask the workspace's administrator.",
)
NOT_CONFIGURED = Refusal(
    code=RefusalCode.NO_ROUTE,
    message="The provider that was asked for is not configured in this workspace. "
    "Add it under [providers] in the configuration file.",
)
NO_CREDENTIAL = Refusal(
    code=RefusalCode.NO_ROUTE,
    message="Tollhouse holds no key for this provider. Set key_file or key_env for it in the configuration file, or "
    "send your own provider key, and the gateway key in X-Tollhouse-Key.",
)

_REASON_NAMED = "named by the path"
_REASON_DEFAULT = "default of the path"


def plan(
    clearance: Clearance, providers: Mapping[str, Provider], granted: tuple[str, ...], mode: str
) -> Plan | Refusal:
    """The target of a call. `providers` are the workspace's, `granted` the key's (empty means any), `mode` a
    `CredentialMode`. FORBIDDEN outside of the grant, NO_ROUTE without the provider or, in vault mode, without the key
    that its kind needs.
    """
    name = clearance.provider
    if granted and name not in granted:
        return NOT_GRANTED
    provider = providers.get(name)
    if provider is None:
        return NOT_CONFIGURED
    if mode == CredentialMode.VAULT and provider.credential is None and KINDS[provider.kind].needs_key:
        return NO_CREDENTIAL
    call = clearance.call
    reason = _REASON_DEFAULT if call.route.provider is None else _REASON_NAMED
    return Plan(targets=(Target(provider=provider, model=call.model),), reason=reason)
