"""Dialing: from a provider's name to a connected, verified socket.

A host name is resolved once per dial, every address is checked, and the connection goes to the checked address with
the original name for TLS, so that a second, different resolution cannot move it. TLS is 1.2 or newer and verified.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

from tollhouse.kernel.errors import ProviderTimeoutError, ProviderUnreachableError
from tollhouse.routing.model import Provider

ADDRESSES_TRIED_MAX = 3

METADATA = frozenset(("168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"))
"""Services of clouds that hand out credentials, at addresses that are not link-local."""
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
LOOPBACK_6 = ipaddress.IPv6Address("::1")

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)


class Dialer:
    """Opens connections within `connect_timeout_s`, name look-up and TLS handshake included."""

    def __init__(self, *, connect_timeout_s: float) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._tls = ssl.create_default_context()
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    async def dial(self, provider: Provider, protocol: Callable[[], ProtocolT]) -> ProtocolT:
        """A connected protocol; ProviderUnreachableError or ProviderTimeoutError, without the provider's answer."""
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                return await self._dial(provider, protocol)
        except TimeoutError as error:
            raise ProviderTimeoutError(f"no connection to {provider.host} within the time allowed") from error

    async def _dial(self, provider: Provider, protocol: Callable[[], ProtocolT]) -> ProtocolT:
        addresses = await self._resolve(provider)
        loop = asyncio.get_running_loop()
        failure: Exception | None = None
        for address in addresses[:ADDRESSES_TRIED_MAX]:
            try:
                if provider.scheme == "https":
                    _, made = await loop.create_connection(
                        protocol, address, provider.port, ssl=self._tls, server_hostname=provider.host
                    )
                else:
                    _, made = await loop.create_connection(protocol, address, provider.port)
                return made
            except ssl.SSLError as error:
                raise ProviderUnreachableError(f"TLS to {provider.host} failed: {error.reason}") from error
            except OSError as error:
                failure = error
        raise ProviderUnreachableError(f"no connection to {provider.host}") from failure

    async def _resolve(self, provider: Provider) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(provider.host, provider.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ProviderUnreachableError(f"the name {provider.host} cannot be resolved") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        refused = [address for address in addresses if not reachable(address, provider.allow_private)]
        if refused or not addresses:
            raise ProviderUnreachableError(
                f"{provider.host} resolves to a private or reserved address; "
                "set allow_private for a model server in a private network"
            )
        return addresses


def reachable(address: str, allow_private: bool) -> bool:
    """Whether a provider may live at this address. Link-local, clouds' metadata services and multicast never."""
    parsed = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and parsed in NAT64:
            inner = ipaddress.IPv4Address(parsed.packed[12:])
        if inner is not None:
            return reachable(str(inner), allow_private)
        if parsed in V4_COMPATIBLE and parsed != LOOPBACK_6:
            return False
    if str(parsed) in METADATA or parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.is_site_local:
        return allow_private
    return parsed.is_global or (allow_private and (parsed.is_private or parsed.is_loopback))
