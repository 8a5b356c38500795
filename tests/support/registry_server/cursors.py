"""Opaque cursors for pages."""

import secrets
from dataclasses import dataclass, field


@dataclass
class Cursors:
    """The opaque cursors that were handed out, with the position that each stands for."""

    positions: dict[str, int] = field(default_factory=dict[str, int])

    def new(self, position: int) -> str:
        """Return a cursor that cannot be guessed."""
        cursor = secrets.token_urlsafe(9)
        self.positions[cursor] = position
        return cursor
