"""The table of situations, by subject."""

from typing import Final

from interop.rows.attached import ATTACHED
from interop.rows.copying import COPYING
from interop.rows.platforms import PLATFORMS
from interop.rows.selecting import SELECTING
from interop.rows.settings import SETTINGS
from interop.situation import Situation

SUBJECTS: Final[dict[str, tuple[Situation, ...]]] = {
    "One image": COPYING,
    "Repositories and registries": SELECTING,
    "Platforms": PLATFORMS,
    "What is attached": ATTACHED,
    "Settings and the file": SETTINGS,
}
SITUATIONS: Final = tuple(situation for rows in SUBJECTS.values() for situation in rows)
