"""The tag rules of an entry while they are put together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from transship_planner.config.digest import Document


@dataclass(frozen=True, slots=True)
class Rules:
    """One set of tags as the configuration writes it: all three kinds of rules must let a tag pass."""

    semver: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def document(self) -> dict[str, Document]:
        """Return what stands under `tags`."""
        rules = {"semverRange": self.semver, "allow": self.allow, "deny": self.deny}
        return {key: list(dict.fromkeys(texts)) for key, texts in rules.items() if texts}


def selection(sets: Sequence[Rules]) -> dict[str, Document]:
    """Return the keys of an entry that select what any of the sets does; none for a set without rules: every tag."""
    if not all(rules.document() for rules in sets):
        return {}
    if len(sets) == 1:
        return {"tags": sets[0].document()}
    return {"tagSets": [rules.document() for rules in sets]} if sets else {}


def merged(sets: Iterable[Rules]) -> tuple[Rules, ...]:
    """Return the sets with those joined that differ in their ranges only."""
    joined: dict[tuple[tuple[str, ...], tuple[str, ...]], Rules] = {}
    for rules in sets:
        key = (rules.allow, rules.deny)
        earlier = joined.get(key, Rules((), *key))
        joined[key] = Rules(earlier.semver + rules.semver, *key)
    return tuple(joined.values())
