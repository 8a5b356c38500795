"""Compare what is wanted with what was seen: a pure function from observations to a plan.

No clock, network, environment or randomness inside: what a plan needs of these is handed in as `Circumstances`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from transship_planner.contents import content_tree, lost_tree
from transship_planner.differences import differences
from transship_planner.forecast import forecast, shares, shortages
from transship_planner.lifecycle.judge import Judge
from transship_planner.lifecycle.mirrored import lifecycle_warnings, mirrored_lifecycles
from transship_planner.observed import Contents, Observed, SeenAttachment, Sighting
from transship_planner.plan import (
    FORMAT_VERSION,
    Action,
    Attachment,
    Change,
    ConfigPin,
    ContentTree,
    EntryCount,
    Mode,
    Plan,
    Problem,
    RateLimit,
    StatePin,
    Unchanged,
    Version,
)
from transship_planner.render.wording import plural
from transship_registry.digest import Digest
from transship_registry.platform import Platform
from transship_registry.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a plan is made under: tool version, configuration, mode, and what was recorded before.

    `recorded` is the digest that the state says we last gave each target; `judge` knows today's date and the lifecycles
    of products.
    """

    tool_version: str
    config: ConfigPin
    mode: Mode = Mode()
    state: StatePin = StatePin()
    recorded: Mapping[Reference, Digest] = field(default_factory=dict[Reference, Digest])
    expires_at: str = ""
    warnings: tuple[str, ...] = ()
    judge: Judge | None = None


def diff(observed: Observed, circumstances: Circumstances) -> Plan:
    """Return the plan that makes the targets what the entries want; changes are sorted by target."""
    agreed, quarrels = _settle(observed.sightings)
    in_sync, pending, skipped = _sort_out(agreed)
    lifecycles = mirrored_lifecycles(observed.mirrored, circumstances.judge)
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
    expected = forecast(priced, costs, observed.quotas)
    return Plan(
        format_version=FORMAT_VERSION,
        tool_version=circumstances.tool_version,
        config=circumstances.config,
        mode=circumstances.mode,
        state=circumstances.state,
        changes=priced,
        unchanged=_unchanged(in_sync, observed.present),
        forecast=expected,
        problems=tuple(sorted({*_problems(observed), *quarrels, *clashes}, key=_problem_order)),
        warnings=(
            *circumstances.warnings,
            *sorted(set(observed.warnings)),
            *dict.fromkeys(_skips(skipped)),
            *shortages(expected, changes),
            *lifecycle_warnings(lifecycles, circumstances.judge),
        ),
        expires_at=circumstances.expires_at,
        lifecycles=lifecycles,
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
            agreed.append(_strictest([rival for rival in rivals if rival.expected is not None] or rivals))
    return agreed, quarrels


def _strictest(rivals: list[Sighting]) -> Sighting:
    """Return the wish that is blocked, else the one that is held, else the first."""
    actions = [rival.restraint.action if rival.restraint else None for rival in rivals]
    return next(
        (rivals[actions.index(action)] for action in (Action.BLOCKED, Action.HELD) if action in actions), rivals[0]
    )


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
        if sighting.in_sync and not sighting.needs_refresh:
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
    tree = _tree(sighting, contents)
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
        ratelimit=_rate_limit(sighting),
        content=tree,
        attached=_attached(sighting, contents),
        refused=wish.entry.copy.refused_referrers.value,
        differences=differences(before_manifest, after_manifest) if before_manifest and after_manifest else (),
        risks=_risks(sighting, circumstances.recorded.get(wish.target)),
        held_until=sighting.restraint.until if sighting.restraint is not None else "",
        lifecycle=circumstances.judge.of(wish) if circumstances.judge else None,
    )


def _tree(sighting: Sighting, contents: Contents) -> ContentTree:
    """Return the content that the change brings; of a refresh, what is there but for what was lost."""
    top, external = sighting.expected, sighting.wish.entry.copy.include_external
    if top is None or top.digest not in contents or (sighting.in_sync and not sighting.lost):
        return ContentTree()
    if sighting.in_sync:
        return lost_tree(top, contents, sighting.lost, include_external=external)
    before = contents.get(sighting.target.digest) if sighting.target else None
    return content_tree(top, contents, before, include_external=external)


def _attached(sighting: Sighting, contents: Contents) -> tuple[Attachment, ...]:
    return tuple(_attachment(each, contents) for each in sighting.attached)


def _attachment(seen: SeenAttachment, contents: Contents) -> Attachment:
    node = seen.node
    descriptor = node.descriptor
    fetched = not seen.present and descriptor.digest in contents
    return Attachment(
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        size=descriptor.size,
        subject=node.subject,
        source=node.repository,
        target=seen.home,
        artifact_type=descriptor.artifact_type or "",
        tag=node.tag,
        before=None if seen.present else seen.before,
        present=seen.present,
        content=content_tree(descriptor, contents, None) if fetched else ContentTree(),
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
    if sighting.needs_refresh:
        return Action.REFRESH
    return Action.UPDATE if sighting.target else Action.CREATE


def _rate_limit(sighting: Sighting) -> RateLimit | None:
    timing = sighting.wish.entry.timing
    if not timing.ratelimit_min or sighting.restraint is not None:
        return None
    return RateLimit(min=timing.ratelimit_min, retry_s=timing.ratelimit_retry_s)


def _reason(sighting: Sighting) -> str:
    assert sighting.source is not None
    if sighting.restraint is not None:
        return sighting.restraint.reason
    if sighting.needs_refresh:
        return _lacking(sighting)
    if sighting.target is None:
        return "the target tag does not exist"
    if sighting.expected != sighting.source:
        return "the target tag is not what the wanted platforms of the source tag give"
    return "the source tag points at other content than the target tag"


def _lacking(sighting: Sighting) -> str:
    """Say what a target tag that is right lacks."""
    absent = [each for each in sighting.attached if not each.present]
    tags = sum(bool(each.node.tag) for each in absent)
    counts = [(len(absent) - tags, "referrer"), (tags, "digest tag")]
    parts = [plural(count, noun) for count, noun in counts if count]
    parts += ["parts of the image itself"] if sighting.lost else []
    return f"the target tag is right, but the target lacks {' and '.join(parts)}"


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
