"""JSON, in and out: the one place where a document from outside is decoded, whatever it turns out to be.

What parsers raise for that is many things, some of which are no `ValueError`; here all of it becomes `DocumentError`.
"""

import json
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, TypeVar, cast

import msgspec
import rfc8785

from transship_registry.canonical import canonical
from transship_registry.digest import Digest
from transship_registry.errors import DocumentError
from transship_registry.limits import REASON_LIMIT, VALUES_LIMIT
from transship_registry.platform import Platform
from transship_registry.reference import Reference, Repository
from transship_registry.sizes import LARGEST

T = TypeVar("T")
JSON: TypeAlias = bytes | msgspec.Raw

_PARSERS: dict[type, Any] = {
    Digest: Digest.parse,
    Platform: Platform.parse,
    Reference: Reference.parse,
    Repository: Repository.parse,
}
_PARSER_ERRORS: Final = (ValueError, RecursionError, OverflowError, MemoryError)
"""What msgspec, json and rfc8785 raise for one document or another; `UnicodeError` is a `ValueError`."""

_HALF: Final = "a text holds half of a surrogate pair, which is no character"
_WORDS: Final[Mapping[type[BaseException], str]] = {
    RecursionError: "JSON is nested too deeply",
    MemoryError: "there is not enough memory for it",
    OverflowError: "a number is too large",
    UnicodeEncodeError: _HALF,
    rfc8785.IntegerDomainError: f"a number is larger than {LARGEST}",
    rfc8785.FloatDomainError: "a number is out of range",
}
_PHRASES: Final = {
    "integer string conversion": "a number has too many digits",
    "Out of range float values": "a number is out of range",
    "non-UTF-8 codepoints": _HALF,
}
"""What the type of an error does not tell: words of Python, and ours."""

_decoders: Final[dict[Any, "msgspec.json.Decoder[Any]"]] = {}
_making: Final = threading.Lock()

_BRIEF: Final = 80
_NULL: Final = frozenset({b"", b"null"})
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class RepeatedMemberError(DocumentError):
    """An object that has a member twice, so that two readers may read two documents."""

    def __init__(self, member: str) -> None:
        self.member = member
        super().__init__(f"the member {brief(member)} is there twice")


def to_builtins(document: object) -> Any:
    """Return `document` as dicts, lists and scalars; values of this room become their text."""
    return msgspec.to_builtins(document, enc_hook=_encode_value, str_keys=True)


def from_builtins(data: object, kind: type[T]) -> T:
    """Make a document of `kind` from dicts, lists and scalars; raises `DocumentError` naming the bad path."""
    try:
        _decoder(cast("Any", kind))
        return msgspec.convert(data, kind, dec_hook=_decode_value)
    except _PARSER_ERRORS as error:
        raise DocumentError(_reason(error)) from error.__cause__


def decode_json(data: JSON, kind: type[T], *, values: int = VALUES_LIMIT) -> T:
    """Read a document of `kind`, of at most so many values.

    Raises `DocumentError`, whose text says in words what is wrong with it.
    """
    try:
        _count_values(data, values)
        return cast("T", _decoder(cast("Any", kind)).decode(data))
    except _PARSER_ERRORS as error:
        raise DocumentError(_reason(error, data)) from error.__cause__


def decode_list(data: JSON | None) -> tuple[msgspec.Raw, ...]:
    """Return the JSON of each element of a list, which has none when it is null: so Go writes one that is empty.

    Raises `DocumentError`.
    """
    return () if data is None or bytes(data).strip() in _NULL else decode_json(data, tuple[msgspec.Raw, ...])


def decode_distinct(data: bytes, *, values: int = VALUES_LIMIT) -> Any:
    """Read a document as dicts, lists and scalars; raises `DocumentError`, and `RepeatedMemberError`."""
    try:
        _count_values(data, values)
        return json.loads(data.decode(), object_pairs_hook=_members, parse_constant=_refuse_constant)
    except DocumentError:
        raise
    except _PARSER_ERRORS as error:
        raise DocumentError(_reason(error, data)) from None


def read_as(raw: JSON, kind: type[T]) -> T | None:
    """Return a member on which nothing depends as `kind`; None when it is anything else, however strange."""
    try:
        return decode_json(raw, kind)
    except DocumentError:
        return None


def encode_json(document: object) -> bytes:
    """Return a document as JSON; raises `DocumentError` for what JSON has no words for."""
    try:
        return msgspec.json.encode(document)
    except _PARSER_ERRORS as error:
        raise DocumentError(_reason(error)) from None


def encode_canonically(document: Any) -> bytes:
    """Return dicts, lists and scalars as canonical JSON (RFC 8785); raises `DocumentError` for what that cannot hold.

    That are numbers above 2**53, which readers disagree about, and texts with half of a surrogate pair.
    """
    try:
        return canonical(document)
    except _PARSER_ERRORS as error:
        raise DocumentError(_reason(error)) from None


def encode_sorted(document: object) -> bytes:
    """Return dicts, lists and scalars as JSON without blanks, members sorted; raises `DocumentError`."""
    try:
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
        return text.encode()
    except _PARSER_ERRORS as error:
        raise DocumentError(_reason(error)) from None


def shortened(text: str) -> str:
    """Return what comes from a document for a message, which people are to read."""
    return text if len(text) <= REASON_LIMIT else f"{text[:REASON_LIMIT]}…"


def brief(value: object) -> str:
    """Return what stands in a document for a message: a scalar as it is, if it is short, and else what it is."""
    match value:
        case None | bool():
            return json.dumps(value)
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case int() if abs(value) > 10**18:
            return "a number of more than 18 digits"
        case _:
            text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
            return text if len(text) <= _BRIEF else f"{text[:_BRIEF]}…"


def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    """Return the decoder of a kind, which one thread alone makes.

    msgspec gathers what it knows of a struct when that is first used, and crashes the process where another thread
    meets one that is not complete; nobody meets one before its decoder is here.
    """
    found = _decoders.get(kind)
    if found is None:
        with _making:
            found = _decoders.setdefault(kind, msgspec.json.Decoder(kind, dec_hook=_decode_value))
    return found


def _count_values(data: JSON, limit: int) -> None:
    """Refuse what would take a hundred times its size; only a large document can, and commas count its values."""
    size = memoryview(data).nbytes
    if size > limit and bytes(data).count(b",") > limit:
        raise DocumentError(f"it has more than {limit} values")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(member for member, _ in pairs)
        raise RepeatedMemberError(next(member for member, count in counts.items() if count > 1))
    return found


def _refuse_constant(name: str) -> object:
    raise DocumentError(f"{name} is no number in JSON")


def _reason(error: BaseException, data: JSON = b"") -> str:
    """Say in words what is wrong with a document; what a parser quotes of it is cut."""
    begins = bytes(memoryview(data)[:3])
    if begins.startswith(_UTF16_MARKS):
        return "it is UTF-16, expected UTF-8"
    if begins == _UTF8_MARK:
        return "it begins with a byte order mark, which JSON does not have"
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02x} is not UTF-8"
    said = str(error)
    ours = [words for kind, words in _WORDS.items() if isinstance(error, kind)]
    ours += [words for phrase, words in _PHRASES.items() if phrase in said]
    return shortened(ours[0] if ours else said)


def _encode_value(value: object) -> str:
    if type(value) in _PARSERS:
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is no value of a document")


def _decode_value(kind: type, data: object) -> object:
    if kind is object:  # msgspec hands over what may be anything, too
        return data
    parse = _PARSERS.get(kind)
    if parse is None:
        raise NotImplementedError(f"{kind.__name__} is no value of a document")
    if not isinstance(data, str):
        # msgspec makes a ValidationError of it, which names the path.
        raise TypeError(f"Expected `str`, got `{type(data).__name__}`")
    return parse(data)
