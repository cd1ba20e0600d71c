"""What is taken out of a request's head: offers to switch protocols, and nothing else, wherever the head is cut."""

from __future__ import annotations

import httptools
import pytest

from clients import Client
from tollhouse.gateway.http_text import CROWDED, STATUS_LINES, origin_form, without_upgrade
from tollhouse.settings import Limits

pytestmark = pytest.mark.anyio

LIMITS = Limits()
BODY = b"a\r\nUpgrade: no offer, but a line of a text\r\n\r\nb"
START = b"POST /v1/a HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n" % len(BODY)
OFFER = b"X-A: 1\r\nUpgrade: 23, h2c\r\n\r\n"


@pytest.mark.parametrize("at", range(len(START) - 2, len(START + OFFER) + 1))
async def test_wherever_a_head_is_cut_nothing_else_changes(at: int) -> None:
    """Not the body, and not the line before the offer, whose end must not become a part of it."""
    client = Client(LIMITS)
    whole = START + OFFER + BODY
    client.send(whole[:at], whole[at:])
    request = client.request
    assert request.take_body() == BODY
    assert dict(request.headers)[b"x-a"] == b"1" and request.length == b"%d" % len(BODY)


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_a_body_behind_an_end_that_was_cut_is_a_body(cut: int) -> None:
    """The blank line's bytes may come apart; then the next piece has no end of a head to be found."""
    client = Client(LIMITS)
    head = START + b"\r\n"
    client.send(head[:-cut], head[-cut:] + BODY)
    assert client.request.take_body() == BODY


def test_an_offer_goes_only_as_a_whole_line() -> None:
    """What is cut in two stays, and the parser says what it thinks of it."""
    assert without_upgrade(b"", b"GET / HTTP/1.1\r\nUpgrade: h2c\r\na: b\r\n\r\n") == b"GET / HTTP/1.1\r\na: b\r\n\r\n"
    assert without_upgrade(b"", b"a: b\r\nupgrade : h2") == b"a: b\r\nupgrade : h2"
    assert without_upgrade(b"\r\n\r", b"\nx\r\nupgrade: y\r\n") == b"\nx\r\nupgrade: y\r\n"


@pytest.mark.parametrize(
    ("url", "target"),
    [(b"http://elsewhere:1/v1/a?b=c#d", b"/v1/a?b=c"), (b"http://elsewhere", b"/"), (b"/a?b#c", b"/a?b")],
)
def test_a_whole_url_is_a_path_here(url: bytes, target: bytes) -> None:
    """Whose host it names is of no interest."""
    assert origin_form(url) == target


def test_what_is_no_url_has_no_path() -> None:
    """And is told apart from what has one."""
    with pytest.raises(ValueError, match="no URL"):
        origin_form(b"http://[")


@pytest.mark.parametrize("answer", [CROWDED, STATUS_LINES[404] + b"content-length: 0\r\n\r\n"])
def test_what_is_said_is_http(answer: bytes) -> None:
    """Whole, by its own framing."""
    ended: list[bool] = []

    class Ear:
        def on_message_complete(self) -> None:
            ended.append(True)

    httptools.HttpResponseParser(Ear()).feed_data(answer)
    assert ended == [True]
