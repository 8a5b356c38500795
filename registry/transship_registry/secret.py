"""Values that must never be printed."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret text; only `reveal()` gives it away, and neither `str` nor `repr` does."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the secret itself, to be sent and never to be shown."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __str__(self) -> str:
        return "***"
