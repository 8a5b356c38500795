"""Compare what is wanted with what was seen: a pure function from observations to a plan.

No clock, network, environment or randomness inside: what a plan needs of these is handed in as `Circumstances`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from transship_planner.contents import content_tree
from transship_planner.differences import differences
from transship_planner.forecast import forecast, shares
from transship_planner.observed import Contents, Observed, Sighting
from transship_planner.plan import (
    FORMAT_VERSION,
    Action,
    Change,
    ConfigPin,
    ContentTree,
    EntryCount,
    Mode,
    Plan,
    Problem,
    StatePin,
    Unchanged,
    Version,
)
from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a plan is made under: tool version, configuration, mode, and what was recorded before.

    `recorded` is the digest that the state says we last gave each target.
    """

    tool_version: str
    config: ConfigPin
    mode: Mode = Mode()
    state: StatePin = StatePin()
    recorded: Mapping[Reference, Digest] = field(default_factory=dict[Reference, Digest])
    expires_at: str = ""
    warnings: tuple[str, ...] = ()


def diff(observed: Observed, circumstances: Circumstances) -> Plan:
    """Return the plan that makes the targets what the entries want; changes are sorted by target."""
    agreed, quarrels = _settle(observed.sightings)
    in_sync, pending, skipped = _sort_out(agreed)
    changes, clashes = _keep_backups_apart(
        sorted(
            (_change(sighting, observed.contents, circumstances) for sighting in pending),
            key=lambda change: str(change.target),
        )
    )
    costs = shares(changes)
    priced = tuple(
        msgspec.structs.replace(change, transfer=share.transfer) for change, share in zip(changes, costs, strict=True)
    )
    return Plan(
        format_version=FORMAT_VERSION,
        tool_version=circumstances.tool_version,
        config=circumstances.config,
        mode=circumstances.mode,
        state=circumstances.state,
        changes=priced,
        unchanged=_unchanged(in_sync, observed.present),
        forecast=forecast(priced, costs),
        problems=tuple(sorted({*_problems(observed), *quarrels, *clashes}, key=_problem_order)),
        warnings=(*circumstances.warnings, *sorted(set(observed.warnings)), *dict.fromkeys(_skips(skipped))),
        expires_at=circumstances.expires_at,
    )


def _settle(sightings: Iterable[Sighting]) -> tuple[list[Sighting], list[Problem]]:
    """Let each target tag be wanted once: equal wishes become one, contradicting ones become problems."""
    by_target: dict[Reference, list[Sighting]] = {}
    for sighting in sorted(sightings, key=lambda seen: (seen.wish.entry.mark, str(seen.wish.source))):
        by_target.setdefault(sighting.wish.target, []).append(sighting)
    agreed: list[Sighting] = []
    quarrels: list[Problem] = []
    for target, rivals in by_target.items():
        wanted = {rival.expected.digest for rival in rivals if rival.expected is not None}
        if len(wanted) > 1:
            quarrels.append(_quarrel(target, rivals))
        else:
            agreed.append(next((rival for rival in rivals if rival.expected is not None), rivals[0]))
    return agreed, quarrels


def _quarrel(target: Reference, rivals: list[Sighting]) -> Problem:
    claims = "; ".join(
        f"{rival.wish.entry.mark} ({rival.wish.entry.name}) wants {rival.expected.digest.short} of {rival.wish.source}"
        for rival in rivals
        if rival.expected is not None
    )
    message = f"several entries want different content under one target tag: {claims}; let one entry own the tag"
    return Problem(entry=rivals[0].wish.entry.name, reference=str(target), message=message)


def _sort_out(sightings: Iterable[Sighting]) -> tuple[list[Sighting], list[Sighting], list[Sighting]]:
    """Split into what is in sync, what is pending, and what the entry's media types leave out."""
    in_sync: list[Sighting] = []
    pending: list[Sighting] = []
    skipped: list[Sighting] = []
    for sighting in sightings:
        if sighting.in_sync:
            in_sync.append(sighting)
        elif sighting.is_unsupported:
            skipped.append(sighting)
        else:
            pending.append(sighting)
    return in_sync, pending, skipped


def _change(sighting: Sighting, contents: Contents, circumstances: Circumstances) -> Change:
    wish = sighting.wish
    assert sighting.expected is not None, "only a tag whose source was asked can be pending"
    assert sighting.source is not None, "what is expected comes from a source"
    top, before = sighting.expected, sighting.target
    after_manifest = contents.get(top.digest)
    before_manifest = contents.get(before.digest) if before else None
    external = wish.entry.copy.include_external
    tree = content_tree(top, contents, before_manifest, include_external=external) if after_manifest else ContentTree()
    return Change(
        action=_action(sighting),
        entry=wish.entry.name,
        source=wish.source,
        source_digest=sighting.source.digest,
        target=wish.target,
        reason=_reason(sighting),
        before=Version.of(before) if before else None,
        after=Version.of(top),
        platforms=_platforms(tree, wish.platforms.wanted),
        platforms_wanted=wish.platforms.wanted if sighting.reduced is not None else (),
        include_external=external,
        backup=sighting.backup if sighting.restraint is None else None,
        content=tree,
        differences=differences(before_manifest, after_manifest) if before_manifest and after_manifest else (),
        risks=_risks(sighting, circumstances.recorded.get(wish.target)),
    )


def _keep_backups_apart(changes: list[Change]) -> tuple[list[Change], list[Problem]]:
    """Refuse a change whose backup would overwrite what another change writes, as a target or as a backup."""
    writers = Counter(reference for change in changes for reference in (change.target, change.backup) if reference)
    kept: list[Change] = []
    clashes: list[Problem] = []
    for change in changes:
        if change.backup is None or writers[change.backup] == 1:
            kept.append(change)
        else:
            message = f"the backup {change.backup} is written by another change too; let the template name the tag"
            clashes.append(Problem(entry=change.entry, reference=str(change.target), message=message))
    return kept, clashes


def _action(sighting: Sighting) -> Action:
    if sighting.restraint is not None:
        return sighting.restraint.action
    return Action.UPDATE if sighting.target else Action.CREATE


def _reason(sighting: Sighting) -> str:
    assert sighting.source is not None
    if sighting.restraint is not None:
        return sighting.restraint.reason
    if sighting.target is None:
        return "the target tag does not exist"
    if sighting.expected != sighting.source:
        return "the target tag is not what the wanted platforms of the source tag give"
    return "the source tag points at other content than the target tag"


def _platforms(tree: ContentTree, wanted: tuple[Platform, ...]) -> tuple[Platform, ...]:
    found = dict.fromkeys(manifest.platform for manifest in tree.manifests if manifest.platform)
    return tuple(found) or (wanted if len(wanted) == 1 else ())


def _risks(sighting: Sighting, recorded: Digest | None) -> tuple[str, ...]:
    risks: list[str] = []
    if sighting.reduced is not None and sighting.expected != sighting.source:
        risks.append("reduced to the wanted platforms: signatures of the source's index do not apply to the new one")
    if sighting.target is not None and recorded is not None and sighting.target.digest != recorded:
        risks.append(f"somebody changed the target tag since {recorded.short} was applied; that will be overwritten")
    return tuple(risks)


def _unchanged(in_sync: Iterable[Sighting], present: Mapping[str, int]) -> Unchanged:
    counts = Counter(sighting.wish.entry.name for sighting in in_sync)
    counts.update(present)
    entries = tuple(EntryCount(entry=entry, count=count) for entry, count in sorted(counts.items()))
    return Unchanged(count=counts.total(), entries=entries)


def _problems(observed: Observed) -> list[Problem]:
    return [
        Problem(entry=trouble.entry, reference=trouble.reference, message=trouble.message)
        for trouble in observed.troubles
    ]


def _problem_order(problem: Problem) -> tuple[str, str, str]:
    return problem.entry, problem.reference, problem.message


def _skips(skipped: Iterable[Sighting]) -> tuple[str, ...]:
    return tuple(
        f"{sighting.wish.entry.name}: {sighting.wish.source} is skipped: its media type "
        f"{sighting.source.media_type} is not among the entry's mediaTypes"
        for sighting in skipped
        if sighting.source is not None
    )
