"""The state's branches of the error tree (drawn in `transship_registry.errors`)."""

from transship_registry.errors import TransshipError


class StateError(TransshipError):
    """A state file that cannot be read, written or used."""


class StateLockedError(StateError):
    """Somebody else is working with the state."""


class LineageError(StateError):
    """The state belongs to another world than the plan, or it has moved on since."""
