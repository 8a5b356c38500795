"""Scopes: what a token is asked for (distribution token specification, § Resource Scope Grammar)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Actions on one resource, as in `repository:lib/alpine:pull,push`; `str()` gives that text.

    `actions` are kept sorted and once each. A scope outside the grammar (ECR Public asks for `aws`) is all resource.
    """

    resource: str
    actions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Bring the actions into their one order, so that equal scopes compare equal."""
        object.__setattr__(self, "actions", tuple(sorted(set(self.actions))))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one scope; never fails, since what a challenge asks for is passed on as it is."""
        resource, _, actions = text.rpartition(":")
        if ":" not in resource:
            return cls(text)
        return cls(resource, tuple(action for action in actions.split(",") if action))

    def covers(self, other: "Scope") -> bool:
        """Whether a token with this scope may do what `other` asks for."""
        return self.resource == other.resource and set(self.actions).issuperset(other.actions)

    def __str__(self) -> str:
        return f"{self.resource}:{','.join(self.actions)}" if self.actions else self.resource


def pull(repository_path: str) -> Scope:
    """Return the scope for reading a repository."""
    return Scope(f"repository:{repository_path}", ("pull",))


def push(repository_path: str) -> Scope:
    """Return the scope for writing to a repository, which includes reading it."""
    return Scope(f"repository:{repository_path}", ("pull", "push"))


def delete(repository_path: str) -> Scope:
    """Return the scope for deleting in a repository, which includes reading it."""
    return Scope(f"repository:{repository_path}", ("delete", "pull"))


def catalog() -> Scope:
    """Return the scope for listing the repositories of a registry."""
    return Scope("registry:catalog", ("*",))


def merge_scopes(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Join the actions of scopes on the same resource."""
    actions: dict[str, tuple[str, ...]] = {}
    for scope in scopes:
        actions[scope.resource] = (*actions.get(scope.resource, ()), *scope.actions)
    return frozenset(Scope(resource, merged) for resource, merged in actions.items())


def scopes_cover(held: frozenset[Scope], wanted: frozenset[Scope]) -> bool:
    """Whether a token for the merged scopes `held` serves the merged scopes `wanted`."""
    return all(any(scope.covers(other) for scope in held) for other in wanted)
