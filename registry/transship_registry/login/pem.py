"""PEM texts of a registry's settings, and the error for settings that cannot be used."""

from dataclasses import dataclass

from transship_registry.errors import TransshipError


class HostConfigError(TransshipError):
    """The settings of a registry that cannot be used; `field` is the setting, or the file, that is wrong."""

    def __init__(self, registry: str, field: str, problem: str) -> None:
        """Compose the message from its parts."""
        self.registry = registry
        self.field = field
        self.problem = problem
        super().__init__(f"registry {registry}: {field} {problem}")


@dataclass(frozen=True, slots=True)
class PemText:
    """A PEM text and what it is called."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ClientPair:
    """A client certificate and its key."""

    certificate: PemText
    key: PemText
