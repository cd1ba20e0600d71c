"""OpenAI Responses: the answer, whole or as typed events.

The response object of the event that ends a stream (`response.completed`, `.incomplete`, `.failed`) carries the usage
and the tier that was served. Calls of OpenAI's own tools are counted from its `output`, or, in a stream that breaks
off before it, from the items that were done.
"""

from __future__ import annotations

import msgspec

from tollhouse.wire.call import Reported
from tollhouse.wire.delivered import text_bytes, utf8_bytes
from tollhouse.wire.dialects.observing import note
from tollhouse.wire.dialects.salvage import loose_object
from tollhouse.wire.usage import bounded_usage
from tollhouse.wire.wording import error_code, model_name, response_id, service_tier

_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))
_STATES = frozenset(("response.created", "response.in_progress", "response.queued"))
_SERVER_TOOLS = frozenset(
    """
    web_search_call file_search_call code_interpreter_call image_generation_call mcp_call x_search_call
    document_search_call collections_search_call shell_call
    """.split()  # noqa: SIM905
)
_SEARCH = frozenset((None, "", "search"))
"""Actions of a web search that are searches; opening and finding in a page are counted under a name of their own."""
_PAGE_ACTIONS = frozenset(("open_page", "find_in_page", "find"))
_TEXT_KEYS = ("content", "arguments", "input", "summary", "code", "refusal")


class _Action(msgspec.Struct, gc=False):
    type: str | None = None


class _Item(msgspec.Struct, gc=False):
    type: str | None = None
    action: _Action | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: str | None = None
    item: _Item | None = None
    response: dict[str, object] | None = None
    error: dict[str, object] | None = None
    code: object = None


_EVENTS = msgspec.json.Decoder(_Event)


class ResponsesObserver:
    """Reads events or a whole response into `reported`."""

    def __init__(self) -> None:
        self.reported = Reported()

    def event(self, payload: bytes, event: bytes) -> bool:
        """Usage comes with the answer's own last event, so nothing is ever claimed."""
        self.reported.events += 1
        read = self._decode(payload)
        if read is not None:
            self._observe(read)
        elif payload != b"[DONE]":
            note(self.reported, "event_unreadable")
        return False

    def whole(self, body: bytes) -> None:
        """A response object, or an error. One that runs in the background is answered before it has usage."""
        loose = loose_object(body)
        if loose is None:
            note(self.reported, "answer_unreadable")
            return
        self._response(loose)
        self.reported.output_bytes = _output_bytes(loose.get("output"))
        self.reported.finished = True

    def end(self) -> None:
        """The last event said whether the answer was complete."""

    def _decode(self, payload: bytes) -> _Event | None:
        try:
            return _EVENTS.decode(payload)
        except msgspec.ValidationError:
            return _salvage(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _observe(self, read: _Event) -> None:
        kind = read.type
        if kind.endswith(".delta"):
            if read.delta:
                self.reported.output_bytes += utf8_bytes(read.delta)
        elif kind in _ENDS:
            self._response(read.response or {})
            self.reported.finished = True
        elif kind in _STATES:
            self._names(read.response or {})
        elif kind == "response.output_item.done":
            if read.item is not None:
                action = read.item.action.type if read.item.action is not None else None
                self._count_tool(read.item.type, action)
        elif kind == "error" or read.error is not None:
            self._error(read.error or {"code": read.code})

    def _response(self, response: dict[str, object]) -> None:
        self._names(response)
        if isinstance(response.get("usage"), dict):
            self.reported.usage, cut = bounded_usage(response["usage"])
            if cut:
                note(self.reported, "usage_cut")
        output = response.get("output")
        if isinstance(output, list) and output:
            self.reported.server_tools = {}
            for item in output:
                if isinstance(item, dict):
                    action = item.get("action")
                    self._count_tool(item.get("type"), action.get("type") if isinstance(action, dict) else None)
        error = response.get("error")
        if isinstance(error, dict):
            self._error(error)

    def _names(self, response: dict[str, object]) -> None:
        reported = self.reported
        reported.model = model_name(response.get("model")) or reported.model
        reported.response_id = response_id(response.get("id")) or reported.response_id
        reported.service_tier = service_tier(response.get("service_tier")) or reported.service_tier

    def _error(self, error: dict[str, object]) -> None:
        self.reported.error_code = error_code(error.get("code"), error.get("type"))

    def _count_tool(self, kind: object, action: object) -> None:
        if not isinstance(kind, str) or kind not in _SERVER_TOOLS:
            return
        name = kind
        if kind == "web_search_call" and action not in _SEARCH:
            name = f"{kind}.{action}" if action in _PAGE_ACTIONS else kind
        self.reported.server_tools[name] = self.reported.server_tools.get(name, 0) + 1


def _salvage(payload: bytes) -> _Event | None:
    """An event of a shape we do not know: what can be had of it."""
    loose = loose_object(payload)
    if loose is None:
        return None
    kind, delta, response, error = (loose.get(name) for name in ("type", "delta", "response", "error"))
    return _Event(
        type=kind if isinstance(kind, str) else "",
        delta=delta if isinstance(delta, str) else None,
        response=response if isinstance(response, dict) else None,
        error=error if isinstance(error, dict) else None,
    )


def _output_bytes(output: object) -> int:
    """Generated text of a whole response: of messages, reasoning and tool calls."""
    if not isinstance(output, list):
        return 0
    size = 0
    for item in output:
        if isinstance(item, dict):
            size += sum(_content_bytes(item.get(key)) for key in _TEXT_KEYS)
    return size


def _content_bytes(content: object) -> int:
    """Text of a part list (its `text` and `refusal`), or of a string."""
    if not isinstance(content, list):
        return text_bytes(content)
    return sum(text_bytes([part.get("text"), part.get("refusal")]) for part in content if isinstance(part, dict))
