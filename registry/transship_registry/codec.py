"""JSON for documents that hold the values of this room: how msgspec reads and writes them."""

from typing import Any, TypeVar

import msgspec

from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.reference import Reference, Repository

T = TypeVar("T")
_PARSERS: dict[type, Any] = {
    Digest: Digest.parse,
    Platform: Platform.parse,
    Reference: Reference.parse,
    Repository: Repository.parse,
}


def to_builtins(document: object) -> Any:
    """Return `document` as dicts, lists and scalars; values of this room become their text."""
    return msgspec.to_builtins(document, enc_hook=_encode_value, str_keys=True)


def from_builtins(data: object, kind: type[T]) -> T:
    """Make a document of `kind` from dicts, lists and scalars; raises `msgspec.ValidationError` naming the bad path."""
    return msgspec.convert(data, kind, dec_hook=_decode_value)


def decode_json(data: bytes, kind: type[T]) -> T:
    """Read a document of `kind`; raises `msgspec.DecodeError` or `msgspec.ValidationError`."""
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=_decode_value)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply") from None


def read_as(raw: bytes | msgspec.Raw, kind: type[T]) -> T | None:
    """Return a member on which nothing depends as `kind`; None when it is anything else, however strange."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _encode_value(value: object) -> str:
    if type(value) in _PARSERS:
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is no value of a document")


def _decode_value(kind: type, data: object) -> object:
    parse = _PARSERS.get(kind)
    if parse is None:
        raise NotImplementedError(f"{kind.__name__} is no value of a document")
    if not isinstance(data, str):
        # msgspec makes a ValidationError of it, which names the path.
        raise TypeError(f"Expected `str`, got `{type(data).__name__}`")
    return parse(data)
