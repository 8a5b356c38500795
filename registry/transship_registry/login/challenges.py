"""Authentication challenges: reading `WWW-Authenticate` (RFC 9110 § 11.6.1), tolerantly."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_WORD = re.compile(
    r"""
    (?P<name> [!#$%&'*+.^_`|~0-9A-Za-z-]+ )
    (?:
        \s* (?P<equals> = ) \s* (?: "(?P<quoted> (?: [^"\\] | \\. )* ) (?: " | \\?$ ) | (?P<bare> [^\s,]* ) )
      | [ \t]+ (?! (?: basic | bearer ) \b ) (?P<token68> [A-Za-z0-9._~+/-]+=* ) [ \t]* (?= , | $ )
    )?
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way of logging in that a server offers; scheme and parameter names are lower-case."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """Return the parameter `name`, empty when it is absent; the first one counts when it is repeated."""
        return next((value for key, value in self.parameters if key == name), "")


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Read the challenges of all `WWW-Authenticate` headers, in order.

    Never raises: what is malformed is skipped. A token68 is left out, for no scheme that we speak has one.
    """
    return tuple(challenge for header in headers for challenge in _challenges(header))


def _challenges(header: str) -> Iterator[Challenge]:
    scheme = ""
    parameters: list[tuple[str, str]] = []
    for word in _WORD.finditer(header):
        name = word["name"].lower()
        if word["equals"]:
            parameters.append((name, _value(word)))
            continue
        if scheme:
            yield Challenge(scheme, tuple(parameters))
        scheme, parameters = name, []
    if scheme:
        yield Challenge(scheme, tuple(parameters))


def _value(word: re.Match[str]) -> str:
    quoted = word["quoted"]
    return word["bare"] or "" if quoted is None else _ESCAPE.sub(r"\1", quoted)
