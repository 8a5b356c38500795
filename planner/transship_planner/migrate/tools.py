"""The tools whose configuration files can be turned into transship's."""

from enum import StrEnum


class Tool(StrEnum):
    """A tool, under the name that `--from` has for it."""

    SKOPEO = "skopeo"
    DREGSY = "dregsy"
    IMAGE_SYNCER = "image-syncer"

    @property
    def format_name(self) -> str:
        """What messages call its format."""
        return "skopeo sync's format" if self is Tool.SKOPEO else f"{self}'s format"
