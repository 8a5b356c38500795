"""Which wishes of a configuration this version reads but does not carry out; said in every plan, never passed over."""

from collections.abc import Iterator

from transship_planner.desired import Desired, Entry


def unsupported(desired: Desired) -> tuple[str, ...]:
    """Return a warning for each such wish."""
    warnings = [
        f"{entry.name}: {', '.join(wishes)} {'is' if len(wishes) == 1 else 'are'} read but not carried out yet"
        for entry in desired.entries
        if (wishes := tuple(_wishes(entry)))
    ]
    if desired.post_sync:
        warnings.append("sync.hooks is read but not carried out yet")
    return tuple(dict.fromkeys(warnings))


def _wishes(entry: Entry) -> Iterator[str]:
    if entry.copy.referrers:
        yield "referrers"
    if entry.copy.digest_tags:
        yield "digestTags"
    if entry.copy.force_recursive:
        yield "forceRecursive"
    if entry.timing.ratelimit_min:
        yield "ratelimit"
    if entry.lifecycle:
        yield "lifecycle"
    if entry.post_sync:
        yield "hooks"
