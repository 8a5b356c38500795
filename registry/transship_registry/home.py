"""Where the user's own files are."""

import os
from pathlib import Path


def home_folder() -> Path:
    """Return the user's home folder; a place below which nothing is, and nothing can be, when there is none.

    A container's user often has neither `HOME` nor a line in `/etc/passwd`.
    """
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)
