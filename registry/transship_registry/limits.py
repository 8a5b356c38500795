"""How much is read, or held, of what comes from outside; every number is in bytes unless its name says otherwise.

What real registries, images and configurations have is far below. More than a limit is one error that names it, for the
tag, entry or file that it is about, and is not read to its end.
"""

from typing import Final

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB

# Registries, and what else is asked over HTTP.

MANIFEST_LIMIT: Final = 8 * _MIB
"""The largest manifest or index that is read; the specification asks registries for 4 MiB (semantics B13.16)."""

PUSH_LIMIT: Final = 4 * _MIB
"""The largest manifest that is sent; the spec asks registries for no more (§ Pushing Manifests)."""

IMAGE_CONFIG_LIMIT: Final = 8 * _MIB
"""The largest image config that is read for the platform of an image."""

IMAGE_METADATA_LIMIT: Final = 64 * _MIB
"""All manifests of one image, its platforms and what is attached to it included; the largest known have some 2 MiB."""

RUN_METADATA_LIMIT: Final = 2048 * _MIB
"""All manifests that a run holds for its plan; those of an image have 2 KiB, and for ten platforms some 30 KiB."""

PAGE_LIMIT: Final = 32 * _MIB
"""One page of a list; some registries do not page at all (https://github.com/google/go-containerregistry/issues/897)."""

LIST_LIMIT: Final = 128 * _MIB
"""All pages of a list of tags or repositories together."""

HUB_LIST_LIMIT: Final = 512 * _MIB
"""All pages of a list of Docker Hub's web API together, which tells some 6 KiB of each tag."""

REFERRERS_LIMIT: Final = 16 * _MIB
"""All pages of a list of referrers together: it is held, annotations included; 10,000 signatures have some 5 MiB."""

PAGES_LIMIT: Final = 20_000
"""How many pages of a list are read."""

NAMES_LIMIT: Final = 2_000_000
"""How many names a list may have."""

NAME_LIMIT: Final = 4 * _KIB
"""The JSON of one name in a list; a tag has 128 characters, and six bytes are the longest way to write one of them."""

VALUES_LIMIT: Final = NAMES_LIMIT
"""How many values a JSON document of others may have: each costs memory, however short it is."""

OWN_VALUES_LIMIT: Final = 20_000_000
"""How many values a plan or a state may have; 100,000 changes have some 3 million."""

REFUSAL_LIMIT: Final = 64 * _KIB
"""What is read of a refusal's body."""

TOKEN_BODY_LIMIT: Final = _MIB
"""The largest answer of a token service, after it was decompressed if it was sent compressed unasked."""

EOL_ANSWER_LIMIT: Final = _MIB
"""The largest answer about end-of-life dates; the longest are some 50 kB."""

# Files.

LAYOUT_INDEX_LIMIT: Final = 64 * _MIB
"""The largest index.json of a layout; 100,000 tags have some 30 MiB."""

LAYOUT_VERSION_LIMIT: Final = _MIB
"""The largest `oci-layout` file, which has 30 bytes."""

CONFIG_LIMIT: Final = 16 * _MIB
"""The largest configuration, file with end-of-life data, and file of another tool that is migrated."""

PLAN_LIMIT: Final = 512 * _MIB
"""The largest plan; 100,000 changes have some 150 MiB."""

STATE_LIMIT: Final = 256 * _MIB
"""The largest state; 100,000 records have some 60 MiB."""

TAGS_FILE_LIMIT: Final = LIST_LIMIT
"""The largest file of tags that `why --tags-from` reads."""

LOGIN_FILE_LIMIT: Final = 4 * _MIB
"""The largest login file of docker or podman."""

PEM_LIMIT: Final = 4 * _MIB
"""The largest file with certificates or a key; all authorities of a browser have some 250 kB."""

# Programs, and templates.

HELPER_LIMIT: Final = 64 * _KIB
"""What a credential helper may answer, and what is read of its errors."""

HOOK_OUTPUT_LIMIT: Final = _MIB
"""What is shown of a hook's output; the rest is read, so that the hook goes on, and thrown away."""

HOOK_LINE_LIMIT: Final = 4 * _KIB
"""What is shown of one line of a hook's output."""

TEMPLATE_LIMIT: Final = _MIB
"""What a template may write, and each text that one of its functions makes."""

# Messages.

REASON_LIMIT: Final = 300
"""How many characters of a message may come from a document, which may be as long as it likes."""
