"""A target tag that is not as wanted becomes a change of the plan: what happens to it, why, and what that brings."""

from transship_planner.lifecycle.judge import Judge
from transship_planner.observation.observed import Contents, SeenAttachment, Sighting
from transship_planner.plans.contents import content_tree, lost_tree
from transship_planner.plans.differences import differences
from transship_planner.plans.plan import Action, Attachment, Change, ContentTree, Difference, RateLimit, Version
from transship_planner.render.wording import plural
from transship_registry.platform import Platform
from transship_state.document import Record


def change_of(sighting: Sighting, contents: Contents, record: Record | None, judge: Judge | None) -> Change:
    """Return the change of a tag that is to be created, updated or refreshed, or that is left because of a restraint.

    `record` is what the state says of the target.
    """
    wish = sighting.wish
    assert sighting.expected is not None, "only a tag whose source was asked can be pending"
    assert sighting.source is not None, "what is expected comes from a source"
    top, before = sighting.expected, sighting.target
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
        platforms=_platforms(tree, sighting.platform),
        platforms_wanted=wish.platforms.wanted if sighting.reduced is not None else (),
        left_out=sighting.left_out,
        include_external=wish.entry.copy.include_external,
        backup=sighting.backup if sighting.restraint is None else None,
        ratelimit=_rate_limit(sighting),
        content=tree,
        attached=_attached(sighting, contents),
        refused=wish.entry.copy.refused_referrers.value,
        differences=_differences(sighting, contents),
        risks=_risks(sighting, record),
        held_until=sighting.restraint.until if sighting.restraint is not None else "",
        lifecycle=judge.of(wish) if judge else None,
    )


def _tree(sighting: Sighting, contents: Contents) -> ContentTree:
    """Return the content that the change brings; of a refresh, what is there but for what was lost."""
    top, external = sighting.expected, sighting.wish.entry.copy.include_external
    if top is None or top.digest not in contents:
        return ContentTree()
    if sighting.lost:
        return lost_tree(top, contents, sighting.lost, include_external=external)
    if not sighting.is_changing:
        return ContentTree()
    before = contents.get(sighting.target.digest) if sighting.target else None
    return content_tree(top, contents, before, include_external=external)


def _differences(sighting: Sighting, contents: Contents) -> tuple[Difference, ...]:
    """Return how the image that is replaced differs from the one that replaces it."""
    if not sighting.is_changing or sighting.target is None or sighting.expected is None:
        return ()
    before, after = contents.get(sighting.target.digest), contents.get(sighting.expected.digest)
    return differences(before, after) if before and after else ()


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
    if sighting.expected != sighting.source and not sighting.wish.platforms.wanted:
        return "the target tag is not the source tag's index without the attestations that are missing at the source"
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


def _platforms(tree: ContentTree, alone: Platform | None) -> tuple[Platform, ...]:
    """Return the platforms that an index names, or that of what has no index, as far as they are known."""
    found = dict.fromkeys(manifest.platform for manifest in tree.manifests if manifest.platform)
    return tuple(found) or ((alone,) if alone else ())


def _risks(sighting: Sighting, record: Record | None) -> tuple[str, ...]:
    """Say what people should know before the tag is written; a tag that stays where it is carries no risk."""
    risks: list[str] = []
    if not sighting.is_changing:
        return ()
    if sighting.left_out:
        risks.append(
            f"without {plural(len(sighting.left_out), 'attestation')} that the index lists and the source does not "
            "have: signatures of the source's index do not apply to the new one"
        )
    if sighting.wish.platforms.wanted and sighting.reduced is not None and sighting.expected != sighting.source:
        risks.append("reduced to the wanted platforms: signatures of the source's index do not apply to the new one")
    if sighting.target is not None and record is not None and sighting.target.digest != record.target_digest:
        given = f"{record.target_digest.short} was {record.origin.value}"
        risks.append(f"somebody changed the target tag since {given}; that will be overwritten")
    return tuple(risks)
