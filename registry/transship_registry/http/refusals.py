"""What a refusal means: its error body in one line, and the error to raise for it (distribution-spec § Error Codes)."""

import errno
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, cast

from transship_registry.causes import find_cause
from transship_registry.codec import decode_json, encode_json
from transship_registry.digest import Digest
from transship_registry.errors import (
    AuthenticationError,
    DocumentError,
    InvalidReferenceError,
    NotFoundError,
    RateLimitedError,
    RegistryError,
)
from transship_registry.foreign import one_line

_XML_LIMIT: Final = 4 * 1024
_XML_ERROR = re.compile(r"<Code>([^<]*)</Code>(?:.*?<Message>([^<]*)</Message>)?", re.DOTALL)
_DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer: its status, the codes of its body in upper case, and all it says in one line without secrets."""

    status: int
    codes: tuple[str, ...] = ()
    text: str = ""
    digests: tuple[Digest, ...] = ()

    @property
    def line(self) -> str:
        """The answer as messages print it."""
        return f"HTTP {self.status} {self.text or _reason(self.status)}"

    def has(self, *codes: str) -> bool:
        """Whether one of the codes is among those answered."""
        return not set(codes).isdisjoint(self.codes)


def read_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read an error answer of any registry or storage; never fails, whatever the body is."""
    text = body.decode("utf-8", "replace").strip()
    if text.startswith(("{", "[")):
        refusal = _read_json(status, text)
        if refusal is not None:
            return refusal
    xml = _XML_ERROR.search(text[:_XML_LIMIT]) if text.startswith("<") else None
    if xml:
        return Refusal(status, (), one_line(f"{xml[1]}: {xml[2]}" if xml[2] else xml[1]))
    if "html" in headers.get("content-type", "").lower() or text.startswith("<"):
        return Refusal(status, (), f"{_reason(status)} (with an HTML page, so a proxy may have answered)")
    said = one_line(text)
    return Refusal(status, (), one_line(f"{_reason(status)}: {said}" if said else ""))


def refused(
    attempted: str, reference: str, refusal: Refusal, *, login_advice: str = "", retry_advice: str = ""
) -> RegistryError:
    """Return the error of the branch that says what to do.

    `login_advice` is what to do about credentials, `retry_advice` when to come back.
    """
    status = refusal.status
    cause = find_cause(RegistryError(attempted, reference, refusal.line, status=status))
    if cause:
        kind = NotFoundError if status == 404 else RegistryError
        error = kind(attempted, reference, refusal.line, status=status)
        error.explain(cause)
        return error
    match status:
        case 401 | 403:
            return AuthenticationError(attempted, reference, refusal.line, status=status, advice=login_advice)
        case 404:
            return NotFoundError(attempted, reference, refusal.line, status=status)
        case 429:
            advice = retry_advice or "too many requests: try again later, or log in for a larger quota"
            return RateLimitedError(attempted, reference, refusal.line, status=status, advice=advice)
        case _ if status >= 500 and status not in {501, 505}:
            advice = retry_advice or "the registry is failing: try again later"
            return RegistryError(attempted, reference, refusal.line, status=status, advice=advice)
        case _:
            return RegistryError(attempted, reference, refusal.line, status=status)


def come_back(asked_s: float | None, wall: float) -> str:
    """Say when a registry wants to be asked again; `wall` is the Unix time now."""
    if asked_s is None:
        return ""
    try:
        moment = datetime.fromtimestamp(wall + asked_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "the registry asks not to come back for thousands of years"
    return f"the registry asks to come back in {asked_s:.0f} s, at {moment}"


def _read_json(status: int, text: str) -> Refusal | None:
    try:
        document = decode_json(text.encode(), dict[str, object])
        return _of_document(status, document)
    except (DocumentError, RecursionError):  # to show what is nested as deeply as can be read takes deeper calls
        return None


def _of_document(status: int, document: Mapping[str, object]) -> Refusal:
    items = _objects(document.get("errors"))
    if not items:
        items = [{"message": document.get("message") or document.get("error") or ""}]
    codes = tuple(str(item.get("code") or "").upper() for item in items)
    said = "; ".join(filter(None, map(_say, items)))
    return Refusal(status, tuple(filter(None, codes)), one_line(said), tuple(_digests(items)))


def _objects(errors: object) -> list[dict[str, object]]:
    found = cast("list[object]", errors) if isinstance(errors, list) else []
    return [cast("dict[str, object]", item) for item in found if isinstance(item, dict)]


def _say(item: Mapping[str, object]) -> str:
    said = ": ".join(str(part) for part in (item.get("code"), item.get("message")) if part)
    reason = _storage_reason(item.get("detail"))
    return f"{said} ({reason})" if said and reason else said


def _storage_reason(detail: object) -> str:
    """Return what distribution's storage was told by its system, of which the message says nothing."""
    match detail:
        case {"DriverName": str(), "Enclosed": {"Err": int(number)}} if number in errno.errorcode:
            return f"its storage: {os.strerror(number)}"
        case _:
            return ""


def _digests(items: Iterable[Mapping[str, object]]) -> Iterable[Digest]:
    for text in dict.fromkeys(_DIGEST.findall(encode_json(list(items)).decode())):
        try:
            yield Digest.parse(text)
        except InvalidReferenceError:
            continue


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(no standard status)"
