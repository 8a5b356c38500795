"""Which transship this is."""

from importlib.metadata import version


def tool_version() -> str:
    """Return the version of the installed package."""
    return version("transship")
