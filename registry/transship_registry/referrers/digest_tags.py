"""Digest tags: what cosign attaches to an image by the name of a tag alone, without a `subject`.

`sha256-<hex>.sig`, `.att` and `.sbom` (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md), and the
referrers tag `sha256-<hex>` itself.
"""

from collections.abc import Iterable

from transship_registry.digest import Digest
from transship_registry.referrers.index import referrers_tag


def digest_tags(tags: Iterable[str], digest: Digest) -> tuple[str, ...]:
    """Return the tags that belong to a manifest, sorted; its referrers tag, if there is one, comes first.

    Whatever suffix a tool has chosen is taken, as regsync does (semantics B12).
    """
    prefix = referrers_tag(digest)
    return tuple(sorted({tag for tag in tags if tag.startswith(prefix)}))
