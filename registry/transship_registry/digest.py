"""Content digests: `algorithm:hex` (OCI image-spec, descriptor.md § Digests)."""

import hashlib
from typing import Protocol, Self

from transship_registry.errors import InvalidReferenceError
from transship_registry.value import value

_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}
_DIGITS = "0123456789abcdef"


class Hasher(Protocol):
    """The part of a `hashlib` object that digests need."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Feed a piece of the content."""
        ...

    def hexdigest(self) -> str:
        """Return the hash of everything fed so far in lower-case hex."""
        ...


@value
class Digest:
    """A well-formed digest in a registered algorithm; `str()` gives `algorithm:hex`."""

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        """Refuse what the grammar or the registered algorithms do not allow."""
        expected = _HEX_LENGTH.get(self.algorithm)
        if expected is None:
            known = ", ".join(_HEX_LENGTH)
            raise InvalidReferenceError(
                f"digest algorithm {self.algorithm!r} is not supported; expected one of {known}"
            )
        if len(self.hex) != expected or self.hex.strip(_DIGITS):
            raise InvalidReferenceError(
                f"digest {str(self)!r} is malformed: expected {self.algorithm}: and {expected} lower-case hex digits"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `algorithm:hex`; raises `InvalidReferenceError`."""
        algorithm, colon, hexadecimal = text.partition(":")
        if not colon:
            raise InvalidReferenceError(
                f"digest {text!r} is malformed: expected algorithm:hex, e.g. sha256:<64 digits>"
            )
        return cls(algorithm, hexadecimal)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """Compute the digest of `content`."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def hasher(self) -> Hasher:
        """Return a fresh hash object of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    @property
    def short(self) -> str:
        """The algorithm and the first twelve digits, for people to read."""
        return f"{self.algorithm}:{self.hex[:12]}"

    def __str__(self) -> str:
        """Return `algorithm:hex`."""
        return f"{self.algorithm}:{self.hex}"
