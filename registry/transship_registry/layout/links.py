"""What layouts on one file system share."""

from enum import StrEnum


class LayoutLinks(StrEnum):
    """How a blob gets from one layout to another on the same file system."""

    COPY = "copy"
    """As a file of its own, which shares its blocks with the other where the file system can (a reflink)."""
    HARDLINK = "hardlink"
    """As the same file: who writes to it in one layout changes the other."""
