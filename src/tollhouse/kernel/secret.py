"""Secret: a value that must not be shown. Not a `str`; printing, formatting, pickling and copying give nothing away."""

from __future__ import annotations

from typing import Never


class Secret:
    """Holds bytes; `reveal()` is the only way out, and only modules on the house's allow-list may call it."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> bytes:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        raise TypeError("secrets are compared with hmac.compare_digest, not ==")

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a secret is not pickled or copied")
