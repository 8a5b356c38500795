"""What other tools read as a version, as patterns over tags.

transship reads more tags as versions than they do, such as `1.31-musl` (dregsy) or `10.0.17763.2114` (both).
"""

import re
from typing import Final

# SemVer 2.0.0 § 9: a number in a pre-release has no leading zero.
_IDENTIFIER: Final = r"(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_LETTERS_IN_BOUND: Final = re.compile(r"-[0-9A-Za-z.-]*[A-Za-z]")
_PRERELEASE: Final = rf"-{_IDENTIFIER}(\.{_IDENTIFIER})*"

MASTERMINDS_RELEASE: Final = r"v?\d+(\.\d+){0,2}"
"""What Masterminds' `NewVersion` reads, without a suffix."""

MASTERMINDS_VERSION: Final = rf"{MASTERMINDS_RELEASE}({_PRERELEASE})?"
"""What Masterminds' `NewVersion` reads; a build (`+…`) cannot stand in a tag."""

BLANG_VERSION: Final = rf"v?\d+(\.\d+){{0,2}}|v?\d+\.\d+\.\d+{_PRERELEASE}"
"""What blang's `ParseTolerant` reads: a suffix only behind three numbers."""

NOT_BLANG_VERSION: Final = (
    r"v?\d+(\.\d+){3,}(-.*)?",
    r"v?\d+(\.\d+)?-.*",
    r"[^-]*-.*[^0-9A-Za-z.-].*",
    r"[^-]*-(.*\.)?(0\d+)?(\..*)?",
)
"""What transship reads as a version and blang does not: four numbers, a suffix behind two, an identifier it refuses."""


def prerelease_notes(text: str, path: str, tool: str) -> tuple[str, ...]:
    """Say how a range that names a pre-release with letters is read differently; nothing of another."""
    if not _LETTERS_IN_BOUND.search(text):
        return ()
    return (
        f"{path}: transship compares numbers in a pre-release by value, so that rc10 is newer than rc9; "
        f"{tool} goes letter by letter",
    )
