"""The `Link` header that leads to the next page of a list (RFC 8288; distribution-spec § Listing Tags)."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from transship_registry.foreign import one_line

_SHOWN: Final = 80
_TARGET = re.compile(r"[\s,]*<([^<>]*)>")
_PARAMETER = re.compile(r"\s*;\s*([^\s=;,]*)\s*(?:=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;,\"]*)))?")


class MalformedLinkError(ValueError):
    """A Link header in which no next page can be found, although it may name one."""


def next_target(headers: Iterable[str]) -> str | None:
    """Return the target of the first link with `rel=next` as it is written; None when there is none.

    Raises `MalformedLinkError`, since a list that ends there may not be at its end. The target is an opaque cursor:
    rebuilding it loses tags (https://github.com/CodesWhat/drydock/issues/927).
    """
    for header in headers:
        for target, relations in _links(header):
            if "next" in relations:
                return target
    return None


def _links(header: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each link's target and relation types; raises `MalformedLinkError` at the first thing that is no link."""
    position = 0
    while link := _TARGET.match(header, position):
        position = link.end()
        relations: list[str] = []
        while parameter := _PARAMETER.match(header, position):
            position = parameter.end()
            if parameter[1].lower() == "rel":
                relations += (parameter[2] or parameter[3] or "").lower().split()
        yield link[1].strip(), relations
    if header[position:].strip(" \t,"):
        raise MalformedLinkError(f"the Link header {one_line(header[position:], _SHOWN)!r} cannot be read")
