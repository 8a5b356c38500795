"""Platforms of images: parsing, normalisation and matching (OCI image-spec, image-index.md)."""

import re
from collections.abc import Iterable
from typing import Self

from transship_registry.errors import InvalidReferenceError
from transship_registry.value import value

_PART = re.compile(r"[A-Za-z0-9_.-]+")
_VERSION = re.compile(r"[^\s,]*")
_OS_ALIASES = {"macos": "darwin"}
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
}
_DEFAULT_VARIANTS = {"amd64": "v1", "arm64": "v8"}


@value
class Platform:
    """A normalised platform; `str()` gives `os/architecture[/variant][,osver=version]`."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `os/architecture[/variant][,osver=version]`; raises `InvalidReferenceError`."""
        names, *options = text.strip().split(",")
        parts = names.split("/")
        if len(parts) not in (2, 3) or not all(_PART.fullmatch(part) for part in parts):
            raise InvalidReferenceError(
                f"platform {text!r} is malformed: expected os/architecture[/variant], e.g. linux/amd64 or linux/arm/v7"
            )
        version = ""
        for option in options:
            key, equals, version = option.partition("=")
            if key != "osver" or not equals or not version or not _VERSION.fullmatch(version):
                raise InvalidReferenceError(f"platform {text!r}: option {option!r} is unknown, expected osver=VERSION")
        return cls.normalised(parts[0], parts[1], parts[2] if len(parts) == 3 else "", version)

    @classmethod
    def normalised(cls, os: str, architecture: str, variant: str = "", os_version: str = "") -> Self:
        """Make a platform from the fields of a descriptor or image config, aliases and default variants resolved."""
        os = _OS_ALIASES.get(os.lower(), os.lower())
        architecture = architecture.lower()
        variant = variant.lower()
        if architecture in _ARCHITECTURES:
            architecture, implied = _ARCHITECTURES[architecture]
            variant = variant or implied
        if variant.isdigit():
            variant = f"v{variant}"
        if architecture == "arm":
            variant = variant or "v7"
        elif variant == _DEFAULT_VARIANTS.get(architecture):
            variant = ""
        return cls(os, architecture, variant, os_version)

    @property
    def is_known(self) -> bool:
        """Whether this names a real platform; attestations carry `unknown/unknown`.

        Fields that `parse` would not read back, as a foreign index may have them, name none either.
        """
        names = (self.os, self.architecture, *filter(None, [self.variant]))
        return (
            "unknown" not in names[:2]
            and all(_PART.fullmatch(name) for name in names)
            and _VERSION.fullmatch(self.os_version) is not None
        )

    def runs(self, other: Self) -> bool:
        """Tell whether a host of this platform runs images of `other`.

        Same OS and architecture, a variant no higher than ours, and the same first three parts of the OS version when
        we name one (semantics B11).
        """
        if (self.os, self.architecture) != (other.os, other.architecture):
            return False
        if self.os_version and _version_core(self.os_version) != _version_core(other.os_version):
            return False
        return _variant_number(other) <= _variant_number(self) if self.variant != other.variant else True

    def best(self, offered: Iterable[Self]) -> Self | None:
        """Return the best of the `offered` platforms that we run: the equal one, else the highest variant.

        Of several OS versions that is the very one that we name, else the first.
        """

        def rank(other: Self) -> tuple[bool, float, bool]:
            return other.variant == self.variant, _variant_number(other), other.os_version == self.os_version

        return max(filter(self.runs, offered), key=rank, default=None)

    @property
    def any_version(self) -> Self:
        """The same platform without its OS version."""
        return type(self)(self.os, self.architecture, self.variant)

    def __str__(self) -> str:
        """Return `os/architecture[/variant][,osver=version]`."""
        names = "/".join(part for part in (self.os, self.architecture, self.variant) if part)
        return f"{names},osver={self.os_version}" if self.os_version else names


def _variant_number(platform: Platform) -> float:
    variant = platform.variant or _DEFAULT_VARIANTS.get(platform.architecture, "")
    digits = variant.removeprefix("v")
    return float(digits) if re.fullmatch(r"\d+(\.\d+)?", digits) else 0.0


def _version_core(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:3])
