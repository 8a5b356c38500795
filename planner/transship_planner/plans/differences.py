"""How an updated image differs inside: platforms, layers, annotations (by deepdiff; *that* it differs, digests say)."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

from transship_planner.plans.plan import Difference
from transship_registry.manifest import Descriptor, Manifest

_Report: TypeAlias = Mapping[str, Iterable[Any]]
"""What deepdiff's tree view is to us: by kind of change, changes with `t1`, `t2` and `path()`; it has no types."""

_KINDS: Final = {
    "dictionary_item_added": "added",
    "dictionary_item_removed": "removed",
    "values_changed": "changed",
}


def differences(before: Manifest, after: Manifest) -> tuple[Difference, ...]:
    """Return what was added, removed and changed between two manifests, in the order in which people ask for it."""
    from deepdiff import DeepDiff  # noqa: PLC0415 - takes a third of a second to import, and only updates need it

    alike = before.kind is after.kind
    picture = _portrait if alike else _kind_only
    compared = cast(_Report, DeepDiff(picture(before), picture(after), view="tree", threshold_to_diff_deeper=0))
    found = [
        Difference(
            kind=kind,
            what=" ".join(str(part) for part in change.path(output_format="list") if part),
            before=_shown(change.t1),
            after=_shown(change.t2),
        )
        for report, kind in _KINDS.items()
        for change in compared.get(report, ())
    ]
    return tuple(sorted(found, key=_reading_order))


def _kind_only(manifest: Manifest) -> dict[str, dict[str, str]]:
    """Return all that can be compared between an index and an image."""
    return {"media": {"type": manifest.media_type}}


def _portrait(manifest: Manifest) -> dict[str, dict[str, str]]:
    """Return what people recognise in a manifest: its parts by name, and the digest or text of each."""
    unnamed = sum(not _is_named(child) for child in manifest.children)
    return {
        "media": {"type": manifest.media_type},
        "platform": {_name(child): str(child.digest) for child in manifest.children if _is_named(child)},
        "attestations": {"": str(unnamed)} if unnamed else {},
        "config": {"digest": str(manifest.config.digest)} if manifest.config else {},
        "layer": {str(number): str(layer.digest) for number, layer in enumerate(manifest.layers, start=1)},
        "annotation": dict(manifest.annotations),
    }


def _is_named(child: Descriptor) -> bool:
    platform = child.normalised_platform
    return platform is not None and platform.is_known


def _name(child: Descriptor) -> str:
    return str(child.normalised_platform)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else ""


def _reading_order(difference: Difference) -> tuple[int, str, int, str]:
    """Platforms first, then layers by number, then the rest by name."""
    group, _, name = difference.what.partition(" ")
    rank = ("media", "platform", "layer", "config", "annotation", "attestations").index(group)
    return rank, difference.kind, int(name) if group == "layer" else 0, name
