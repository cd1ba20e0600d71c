"""Where a provider may live, and what dialing a wrong place raises."""

from __future__ import annotations

import socket

import pytest

from tollhouse.gateway.dialing import Dialer, reachable
from tollhouse.kernel.errors import ProviderUnreachableError
from tollhouse.routing.model import Provider


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("8.8.8.8", True, True),
        ("2606:4700:4700::1111", True, True),
        ("10.0.0.1", False, True),
        ("172.16.0.1", False, True),
        ("192.168.1.1", False, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("fd00::1", False, True),
        ("169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("fe80::1", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
        ("::ffff:127.0.0.1", False, True),
        ("::ffff:169.254.169.254", False, False),
        ("::ffff:8.8.8.8", True, True),
        ("2002:7f00:1::", False, True),
        ("2002:a9fe:a9fe::", False, False),
        ("255.255.255.255", False, True),
        ("::127.0.0.1", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("64:ff9b::808:808", True, True),
        ("fec0::1", False, True),
        ("168.63.129.16", False, False),
        ("192.0.0.192", False, False),
        ("fd00:ec2::254", False, False),
    ],
)
def test_addresses_are_public_private_or_never(address: str, public: bool, private: bool) -> None:
    """Without and with `allow_private`; an address inside an address counts as what it leads to."""
    assert (reachable(address, False), reachable(address, True)) == (public, private)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("host", "allow_private", "says"),
    [
        ("localhost", False, "private or reserved"),
        ("169.254.169.254", True, "private or reserved"),
        ("no-such-host.invalid", True, "cannot be resolved"),
        ("127.0.0.1", True, "no connection"),
    ],
)
async def test_a_wrong_place_says_what_is_wrong(host: str, allow_private: bool, says: str) -> None:
    """For the operator's log."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    provider = Provider(name="p", kind="openai", scheme="http", host=host, port=port, allow_private=allow_private)
    with pytest.raises(ProviderUnreachableError, match=says):
        await Dialer(connect_timeout_s=2.0).dial(provider, lambda: pytest.fail("connected"))
