"""Asking a chat stream for its usage changes nothing else of the request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.wire.call import Call
from tollhouse.wire.dialects import inject_usage, read_request
from tollhouse.wire.paths import match

ASK = '"stream_options":{"include_usage":true}'


def chat(body: bytes) -> Call:
    """The call that a chat body makes."""
    call = read_request(match("POST", "/v1/chat/completions", ()), body)
    assert isinstance(call, Call), call
    return call


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ('{"model":"m","stream":true}', "{" + ASK + ',"model":"m","stream":true}'),
        (' {\n "model": "m", "stream": true }\n', " {" + ASK + ',\n "model": "m", "stream": true }\n'),
        ('{"stream":true,"model":"m","stream_options":null}', '{"stream":true,"model":"m",' + ASK + "}"),
        ('{"stream":true,"model":"m","stream_options":{}}', '{"stream":true,"model":"m",' + ASK + "}"),
        (
            '{"stream":true,"model":"m","stream_options":{ }}',
            '{"stream":true,"model":"m","stream_options":{"include_usage":true }}',
        ),
        (
            '{"stream":true,"stream_options" : {"include_usage" : false , "x":[1]},"model":"m"}',
            '{"stream":true,"stream_options" : {"include_usage" : true , "x":[1]},"model":"m"}',
        ),
        (
            '{"stream":true,"stream_options":{"include_usage":null},"model":"m"}',
            '{"stream":true,"stream_options":{"include_usage":true},"model":"m"}',
        ),
        (
            '{"stream":true,"stream_options":{"include_obfuscation":false},"model":"m"}',
            '{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"model":"m"}',
        ),
        (
            '{"model":"m","stream":true,"metadata":{"stream_options":{"include_usage":true}}}',
            "{" + ASK + ',"model":"m","stream":true,"metadata":{"stream_options":{"include_usage":true}}}',
        ),
        (
            '{"model":"m","stream":true,"stream\\u005foptions":{"include\\u005fusage":false}}',
            '{"model":"m","stream":true,"stream\\u005foptions":{"include\\u005fusage":true}}',
        ),
        (
            '{"model":"m","stream":true,"messages":[{"role":"user","content":"say \\"stream_options\\""}]}',
            "{" + ASK + ',"model":"m","stream":true,"messages":[{"role":"user","content":"say \\"stream_options\\""}]}',
        ),
    ],
)
def test_bytes_are_spliced(sent: str, expected: str) -> None:
    """Given each shape of stream_options, when usage is asked for, then just those bytes differ."""
    assert inject_usage(chat(sent.encode())).decode() == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m"}',
        b'{"model":"m","stream":false}',
        b'{"model":"m","stream":null}',
        b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
    ],
)
def test_nothing_is_asked_where_usage_comes_anyway(body: bytes) -> None:
    """Given a call whose usage is reported anyway, when asked, then the body is the client's own object."""
    call = chat(body)
    assert call.asked_usage
    assert inject_usage(call) is body


@pytest.mark.parametrize(
    "options", ['"x"', "[]", "1", '{"include_usage":1}', '{"include_usage":true,"include_usage":false}']
)
def test_stream_options_of_another_type_are_refused(options: str) -> None:
    """Given stream_options that cannot be edited soundly, when read, then the call is refused."""
    body = f'{{"model":"m","stream":true,"stream_options":{options}}}'.encode()
    refusal = read_request(match("POST", "/v1/chat/completions", ()), body)
    assert not isinstance(refusal, Call)
    assert "stream_options" in refusal.message or "include_usage" in refusal.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab"\\_é', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["stream_options", "a"]), inner),
    max_leaves=5,
)


@given(
    extra=st.dictionaries(st.text('abc"\\', min_size=1, max_size=3), JSON, max_size=3),
    options=st.none()
    | st.dictionaries(st.sampled_from(["include_obfuscation", "x", "stream_options"]), JSON, max_size=3),
    present=st.booleans(),
    include=st.sampled_from([None, False, "absent"]),
    indent=st.sampled_from([None, 1]),
)
def test_the_result_parses_to_the_same_but_for_usage(
    extra: dict[str, object], options: dict[str, object] | None, present: bool, include: object, indent: int | None
) -> None:
    """Given any streamed request, when usage is asked for, then it parses to the same with include_usage true."""
    request: dict[str, object] = {"model": "m", **extra, "stream": True}
    if present:
        request["stream_options"] = options
        if isinstance(options, dict) and include != "absent":
            options["include_usage"] = include
    sent = inject_usage(chat(json.dumps(request, indent=indent).encode()))
    kept = request.get("stream_options") or {}
    assert isinstance(kept, dict)
    assert json.loads(sent) == {**request, "stream_options": {**kept, "include_usage": True}}
