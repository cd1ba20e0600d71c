"""Reading heads: what stands where, what is remembered of which, and that no credential is."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import FunctionType, ModuleType

import pytest

from clients import Client
from granted import Granted
from tollhouse.attribution.model import Labels
from tollhouse.attribution.rules import Wishes
from tollhouse.gateway.head import REMEMBERED_BYTES_MAX, REMEMBERED_MAX, Head, Heads, family_of_request
from tollhouse.gateway.request import Request
from tollhouse.gateway.send import way_of
from tollhouse.identity.keys import make_key, show_once
from tollhouse.identity.model import CredentialMode, KeyGrant
from tollhouse.identity.rules import BAD_KEY, NO_KEY
from tollhouse.kernel.ids import KeyId
from tollhouse.kernel.refusal import Refusal, RefusalCode
from tollhouse.routing.model import Provider
from tollhouse.settings import Limits
from tollhouse.wire.call import Call, Dialect, Family, Operation, Route

pytestmark = pytest.mark.anyio

PROVIDERS_KEY = b"sk-proj-abcdefghijklmnop"


class Bench:
    """Heads, the one key that is known to them, and clients that send heads."""

    def __init__(self, granted: Granted | None = None) -> None:
        self.granted = granted or Granted()
        self.heads = Heads(self.granted.peppers)

    def request(
        self,
        *fields: bytes,
        start: bytes = b"POST /v1/chat/completions",
        key: bytes | None = None,
        beside: bool = False,
    ) -> Request:
        """A head with the gateway key where an SDK puts its own, or `beside` it."""
        carrier = b"x-tollhouse-key: " if beside else b"authorization: Bearer "
        lines = [start + b" HTTP/1.1", b"host: h", carrier + (key or self.granted.text), *fields]
        client = Client(Limits())
        client.send(b"\r\n".join(lines) + b"\r\n\r\n")
        return client.request

    def read(
        self, request: Request, keys: Mapping[KeyId, KeyGrant] | None = None, later_s: float = 0
    ) -> Head | Refusal:
        """What the head says, with the keys of the snapshot."""
        now = self.granted.now + timedelta(seconds=later_s)
        return self.heads.read(request, self.granted.keys if keys is None else keys, now)

    def known(self, *fields: bytes, start: bytes = b"POST /v1/chat/completions", beside: bool = False) -> Head:
        """A head that is in order."""
        head = self.read(self.request(*fields, start=start, beside=beside))
        assert isinstance(head, Head)
        return head


@pytest.fixture
async def bench() -> Bench:
    """One that has read nothing yet."""
    return Bench()


# What is remembered


async def test_the_same_head_is_read_once(bench: Bench) -> None:
    """From another connection as well: the very same object."""
    fields = (b"x-tollhouse-team: ml", b"accept-encoding: gzip")
    first = bench.known(*fields)
    assert bench.known(*fields) is first
    assert bench.read(bench.request(*fields), later_s=1_000_000) is first


async def test_a_long_head_is_read_each_time(bench: Bench) -> None:
    """Thousands of them, each with names of its own, would otherwise be kept until the keys change."""
    long = b"a" * REMEMBERED_BYTES_MAX + b": b"
    assert bench.known(long) is not bench.known(long)
    short = b"a" * (REMEMBERED_BYTES_MAX // 2) + b": b"
    assert bench.known(short) is bench.known(short)


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ((b"x-tollhouse-team: mk", b"a: b"), b"POST /v1/chat/completions"),
        ((b"x-tollhouse-tean: ml", b"a: b"), b"POST /v1/chat/completions"),
        ((b"x-tollhouse-team: ml", b"a: c"), b"POST /v1/chat/completions"),
        ((b"x-tollhouse-team: ml", b"b: b"), b"POST /v1/chat/completions"),
        ((b"x-tollhouse-team: ml",), b"POST /v1/chat/completions"),
        ((b"x-tollhouse-team: ml", b"a: b", b"a: b"), b"POST /v1/chat/completions"),
        ((b"a: b", b"x-tollhouse-team: ml"), b"POST /v1/chat/completions"),
        ((b"x-tollhouse-team: ml", b"a: b"), b"POST /v1/messages"),
        ((b"x-tollhouse-team: ml", b"a: b"), b"POST /v1/chat/completions?"),
        ((b"x-tollhouse-team: ml", b"a: b"), b"GET /v1/chat/completions"),
    ],
)
async def test_any_other_byte_is_another_head(bench: Bench, fields: tuple[bytes, ...], start: bytes) -> None:
    """In a field's value or name, in their number and order, in the target, in the method."""
    first = bench.known(b"x-tollhouse-team: ml", b"a: b")
    assert bench.known(*fields, start=start) is not first
    assert bench.known(b"x-tollhouse-team: ml", b"a: b") is first


async def test_another_key_is_another_caller(bench: Bench) -> None:
    """One byte of the secret is enough, and what was remembered opens nothing."""
    bench.known()
    text = bytearray(bench.granted.text)
    text[25] = ord("A") if text[25] != ord("A") else ord("B")
    forged = show_once(make_key(bytes(range(1, 49)))).encode()
    for key in (bytes(text), forged):
        assert bench.read(bench.request(key=key)) is BAD_KEY


async def test_a_revoked_key_is_refused_though_its_head_is_remembered(bench: Bench) -> None:
    """From the snapshot on that no longer has it; nothing of the old one is held."""
    first = bench.known()
    assert bench.read(bench.request(), keys={}) is BAD_KEY
    assert not [kept for kept in reachable(bench.heads) if kept is first or kept is bench.granted.grant]
    again = bench.read(bench.request())
    assert isinstance(again, Head) and again is not first


async def test_what_a_key_grants_is_that_of_the_snapshot(bench: Bench) -> None:
    """Another grant for the same key is read anew."""
    first = bench.known()
    changed = Granted(fixed_labels={"team": "search"})
    head = bench.read(bench.request(), keys=changed.keys)
    assert isinstance(head, Head) and head.caller.grant is changed.grant
    assert (first.labels, head.labels) == (Labels(), Labels(team="search"))


async def test_an_expired_key_is_refused_though_its_head_is_remembered() -> None:
    """At the very moment that its grant names."""
    bench = Bench(Granted(valid_to=Granted.now + timedelta(seconds=10)))
    first = bench.known()
    assert bench.read(bench.request(), later_s=9.999) is first
    assert bench.read(bench.request(), later_s=10) is BAD_KEY
    assert bench.read(bench.request(), later_s=11) is BAD_KEY


async def test_what_was_refused_is_not_remembered(bench: Bench) -> None:
    """A key that is made later is known from then on, and strangers take no room."""
    assert bench.read(bench.request(), keys={}) is BAD_KEY
    unkeyed = Client(Limits())
    unkeyed.send(b"GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n")
    assert bench.read(unkeyed.request, keys={}) is NO_KEY
    assert remembered(bench.heads) == []
    keys: dict[KeyId, KeyGrant] = {}
    assert bench.read(bench.request(), keys=keys) is BAD_KEY
    keys[bench.granted.key_id] = bench.granted.grant
    assert isinstance(bench.read(bench.request(), keys=keys), Head)


async def test_a_head_whose_query_goes_on_is_not_remembered(bench: Bench) -> None:
    """It may hold a provider's key. One whose query held only ours is."""
    start = b"POST /v1beta/models/gemini-2.5-flash:generateContent?key=" + PROVIDERS_KEY
    passed = bench.known(start=start, beside=True)
    assert (passed.mode, passed.query) == (CredentialMode.PASSTHROUGH, b"key=" + PROVIDERS_KEY)
    assert bench.known(start=start, beside=True) is not passed
    assert remembered(bench.heads) == []
    ours = b"GET /v1beta/models?key=" + bench.granted.text
    assert bench.known(start=ours).query == b"" and bench.known(start=ours) is bench.known(start=ours)


async def test_what_is_remembered_is_bounded(bench: Bench) -> None:
    """Beyond it all are forgotten together, and remembering begins again."""
    template = bench.request(b"a: 0")
    first = bench.read(template)
    for number in range(1, REMEMBERED_MAX + 10):
        template.headers[-1] = (b"a", b"%d" % number)
        bench.read(template)
        assert number > 10 or len(remembered(bench.heads)) == number + 1
    assert len(remembered(bench.heads)) == 10
    template.headers[-1] = (b"a", b"0")
    again = bench.read(template)
    assert again is not first and bench.read(template) is again


# What is not


def reachable(root: object) -> Iterator[object]:
    """Everything that a value holds, through as many others as it takes; code and types aside."""
    seen, found = {id(root)}, [root]
    for one in found:
        yield one
        for inner in gc.get_referents(one):
            if id(inner) not in seen and not isinstance(inner, type | ModuleType | FunctionType):
                seen.add(id(inner))
                found.append(inner)


def remembered(heads: Heads) -> list[Head]:
    """The heads among it."""
    return [one for one in reachable(heads) if isinstance(one, Head)]


def texts(root: object) -> list[bytes]:
    """All text that can be read in it."""
    found = [one for one in reachable(root) if isinstance(one, str | bytes | bytearray)]
    return [one.encode(errors="surrogatepass") if isinstance(one, str) else bytes(one) for one in found]


@pytest.mark.parametrize("beside", [False, True])
async def test_no_credential_can_be_had_from_what_is_remembered(bench: Bench, beside: bool) -> None:
    """Neither the gateway key nor a provider's that is passed through, also where the head was used."""
    fields = [b"x-tollhouse-team: a-team", b"x-note: said-in-passing"]
    fields += [b"authorization: Bearer " + PROVIDERS_KEY, b"x-api-key: " + PROVIDERS_KEY] if beside else []
    request = bench.request(*fields, beside=beside)
    head = bench.read(request)
    assert isinstance(head, Head) and isinstance(head.route, Route)
    assert head.mode == (CredentialMode.PASSTHROUGH if beside else CredentialMode.VAULT)
    call = Call(route=head.route, model="m", stream=False, body=b"{}")
    provider = Provider(name="p", kind="openai", scheme="https", host="api.example.com", port=443)
    head.ways["p"] = way_of(head, request.method, call, provider)
    assert bench.read(bench.request(*fields, beside=beside)) is head
    kept = texts(bench.heads)
    # Controls: the walk sees what is there.
    assert any(text == b"a-team" for text in kept) and any(b"api.example.com" in text for text in kept)
    assert any(bench.granted.text in text for text in texts(request.headers))
    assert (any(PROVIDERS_KEY in text for text in texts(request.headers))) == beside
    for credential in (bench.granted.text, bench.granted.secret, PROVIDERS_KEY, b"said-in-passing"):
        assert [text for text in kept if credential in text] == []


# What stands where


async def test_a_head_says_who_calls_and_what_goes_on(bench: Bench) -> None:
    """The route, the names, those that stay here, the encoding; the last of a repeated field counts."""
    head = bench.known(b"x-a: 1", b"accept-encoding: br", b"accept-encoding: gzip", b"x-tollhouse-no-cache: yes")
    assert (head.caller.key_id, head.caller.grant) == (bench.granted.key_id, bench.granted.grant)
    assert (head.mode, head.objection, head.query, head.encoding) == (CredentialMode.VAULT, None, b"", b"gzip")
    assert isinstance(head.route, Route)
    assert (head.route.dialect, head.route.operation) == (Dialect.OPENAI_CHAT, Operation.CHAT)
    assert head.names == {b"host", b"authorization", b"x-a", b"accept-encoding", b"x-tollhouse-no-cache"}
    assert {b"authorization", b"x-api-key", b"host", b"accept-encoding", b"x-tollhouse-no-cache"} <= head.dropped
    assert b"x-a" not in head.dropped
    assert (head.ways, head.origins) == ({}, {})


async def test_labels_flags_and_wishes_stand_in_their_places() -> None:
    """What the key fixes, what was said against it, what the key defaults to, what is asked of this call."""
    bench = Bench(Granted(fixed_labels={"team": "search"}, default_labels={"environment": "prod", "app": "none"}))
    head = bench.known(b"x-tollhouse-team: ml", b"x-tollhouse-app: chat", b"x-tollhouse-max-cost-usd: 0.5")
    assert head.labels == Labels(team="search", environment="prod", app="chat")
    assert head.flags == ("label_overruled:team",)
    assert head.wishes == Wishes(max_cost_nano_usd=500_000_000)


@pytest.mark.parametrize(
    ("fields", "start", "place"),
    [
        ((), b"POST /nowhere", "route"),
        ((), b"GET /v1/chat/completions", "route"),
        ((b"host: other",), b"POST /v1/messages", "objection"),
        ((b"content-encoding: gzip",), b"POST /v1/messages", "objection"),
        ((b"content-type: text/plain",), b"POST /v1/messages", "objection"),
        ((b"x-tollhouse-team: " + b"a" * 129,), b"POST /v1/messages", "labels"),
        ((b"x-tollhouse-no-cache: perhaps",), b"POST /v1/messages", "wishes"),
    ],
)
async def test_what_is_wrong_stands_in_the_place_of_what_was_asked(
    bench: Bench, fields: tuple[bytes, ...], start: bytes, place: str
) -> None:
    """And there alone: it is said when the call's turn comes to it; who calls is known nevertheless."""
    head = bench.known(*fields, start=start)
    assert head.caller.grant is bench.granted.grant
    wrong = [name for name in Head.__struct_fields__ if isinstance(getattr(head, name), Refusal)]
    assert wrong == [place]
    assert bench.known(*fields, start=start) is head


async def test_two_keys_are_refused_before_anything_else(bench: Bench) -> None:
    """Nobody is known by them."""
    other = show_once(make_key(bytes(range(1, 49)))).encode()
    refusal = bench.read(bench.request(b"x-api-key: " + other, start=b"POST /nowhere"))
    assert isinstance(refusal, Refusal) and refusal.code is RefusalCode.BAD_REQUEST


@pytest.mark.parametrize(
    ("start", "fields", "family"),
    [
        (b"POST /v1/messages", (), Family.ANTHROPIC),
        (b"POST /nowhere", (b"anthropic-version: 1",), Family.ANTHROPIC),
        (b"POST /v1beta/models/m:generateContent", (), Family.GEMINI),
        (b"POST /nowhere", (), Family.OPENAI),
    ],
)
async def test_a_request_has_a_family(bench: Bench, start: bytes, fields: tuple[bytes, ...], family: Family) -> None:
    """For the shape of a refusal, on a path of ours or none."""
    assert family_of_request(bench.request(*fields, start=start)) is family
