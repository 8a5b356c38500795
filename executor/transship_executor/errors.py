"""The executor's branch of the error tree (drawn in `transship_registry.errors`)."""

from transship_registry.errors import TransshipError
from transship_registry.reference import Reference


class ConflictError(TransshipError):
    """A target tag is neither what the plan saw nor what it wants; it was left as it is."""

    def __init__(self, target: Reference, planned: str, found: str) -> None:
        self.target = target
        self.planned = planned
        self.found = found
        super().__init__(
            f"{target} moved since the plan was made: the plan saw {planned}, now it is {found}; "
            "it was left untouched, plan again to see what would change"
        )
