"""The examples of both tools' documentation, completed as semantics B21 says, load as their documentation reads."""

from dataclasses import replace
from pathlib import Path

import pytest

from transship_planner.config import load
from transship_planner.desired import (
    Comparison,
    CopyRules,
    Desired,
    Dialect,
    Entry,
    Hook,
    ImageScope,
    LifecycleRule,
    PlatformRule,
    RepositoryScope,
    Timing,
)
from transship_planner.errors import Mark
from transship_planner.tags.semver import SemverRange
from transship_planner.tags.tagrules import Selection, TagPattern, TagSet
from transship_registry.hosts import Credential, HostSettings, TlsMode
from transship_registry.platform import Platform
from transship_registry.reference import Reference, Repository
from transship_registry.secret import Secret

EXAMPLES = Path(__file__).parent / "examples"
NOWHERE = Mark("", 0, 0)
HUB_TOKEN = b" dckr_pat_123\n"

HOURLY = Timing(interval_s=3600)
EXISTENCE = CopyRules(comparison=Comparison.EXISTENCE)
REGCTL_TAGS = ("latest", "edge", r"v[0-9\.]+")


def allow(*patterns: str, deny: tuple[str, ...] = (), semver: tuple[str, ...] = ()) -> TagSet:
    return TagSet(
        SemverRange.parse_all(semver),
        tuple(TagPattern(text) for text in patterns),
        tuple(TagPattern(text) for text in deny),
    )


def image(source: str, target: str) -> ImageScope:
    return ImageScope(Reference.parse(source), Reference.parse(target))


def repository(source: str, target: str, *sets: TagSet, keep_last: int = 0) -> RepositoryScope:
    return RepositoryScope(Repository.parse(source), Repository.parse(target), Selection(sets, keep_last))


def matching(pattern: str) -> TagSet:
    return TagSet(allow=(TagPattern(pattern, anchored=False),))


def regsync(*entries: Entry, hosts: tuple[HostSettings, ...] = (), parallel: int = 0) -> Desired:
    return Desired(file="", dialect=Dialect.REGSYNC, entries=entries, hosts=hosts, parallel=parallel)


def imglife(*entries: Entry, post_sync: tuple[Hook, ...] = ()) -> Desired:
    return Desired(file="", dialect=Dialect.IMGLIFE, entries=entries, post_sync=post_sync, parallel=4)


def entry(
    name: str,
    scope: ImageScope | RepositoryScope,
    *,
    copy: CopyRules = CopyRules(),
    timing: Timing = Timing(),
    post_sync: tuple[Hook, ...] = (),
    lifecycle: LifecycleRule | None = None,
) -> Entry:
    return Entry(
        name=name,
        mark=NOWHERE,
        scope=scope,
        copy=copy,
        timing=timing,
        post_sync=post_sync,
        lifecycle=lifecycle,
    )


BUSYBOX = image("docker.io/library/busybox:latest", "registry.example.org/library/busybox:latest")
ALPINE = ("docker.io/library/alpine", "registry.example.com/mirrors/alpine")
REGCTL = ("ghcr.io/regclient/regctl", "registry.example.org/regclient/regctl")
REGSYNC = ("ghcr.io/regclient/regsync", "registry.example.org/regclient/regsync")
BACKUP = CopyRules(backup="backup-{{.Ref.Tag}}")

EXPECTED = {
    "regsync-minimal": regsync(
        entry("sync[0]", BUSYBOX, timing=HOURLY),
        entry(
            "sync[1]",
            repository(
                "alpine",
                "registry.example.org/library/alpine",
                allow("latest", "edge", "3", r"3\.\d+", deny=(r"3\.0",)),
            ),
            timing=HOURLY,
        ),
        entry(
            "sync[2]",
            repository(*REGCTL, allow(*REGCTL_TAGS)),
            timing=HOURLY,
            copy=CopyRules(referrers=True, digest_tags=True, fast_copy=True),
        ),
        hosts=(
            HostSettings(
                registry="registry.example.org",
                credential=Credential(user="syncuser", password=Secret("Pa$$w0rd")),
            ),
            HostSettings(
                registry="docker.io",
                credential=Credential(user="youruser", password=Secret("dckr_pat_123")),
            ),
        ),
    ),
    "regsync-tagsets": regsync(
        entry(
            "sync[0]",
            repository(
                "alpine",
                "registry.example.org/library/alpine",
                allow("latest", "edge"),
                allow("3", r"3\.\d+", semver=(">=3.0.0",)),
            ),
            timing=HOURLY,
        )
    ),
    "regsync-version": regsync(),
    "regsync-creds": regsync(
        hosts=(
            HostSettings(registry="docker.io", credential=Credential(user="youruser", password=Secret("Pa$$w0rd"))),
            HostSettings(registry="localhost:5000", tls=TlsMode.DISABLED),
            HostSettings(
                registry="registry.example.org",
                ca="-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
            ),
            HostSettings(registry="gcr.io", repo_auth=True),
        ),
    ),
    "regsync-defaults": regsync(
        entry("sync[0]", BUSYBOX, timing=Timing(interval_s=3600, ratelimit_min=20, ratelimit_retry_s=900)),
        parallel=3,
    ),
    "regsync-sync": regsync(
        entry("sync[0]", BUSYBOX, timing=Timing(schedule="15 01 * * *")),
        entry(
            "sync[1]",
            repository(*REGCTL, allow(*REGCTL_TAGS)),
            timing=Timing(schedule="30 01 * * *"),
            copy=CopyRules(referrers=True),
        ),
    ),
    "regsync-extensions": regsync(
        entry("sync[0]", repository(*REGCTL, allow(*REGCTL_TAGS))),
        entry("sync[1]", repository(*REGSYNC, allow(*REGCTL_TAGS)), copy=BACKUP),
        entry("sync[2]", BUSYBOX, copy=BACKUP),
    ),
    "imglife-structure": imglife(
        entry(
            "sync.entries[0]",
            repository(*ALPINE, matching(r"^3\.\d+\.\d+$"), keep_last=3),
            copy=EXISTENCE,
            lifecycle=LifecycleRule(product="alpine", track="minor"),
        ),
        post_sync=(Hook(cmd="notify-team.sh", timeout_s=30, continue_on_error=True),),
    ),
    "imglife-tags": imglife(
        entry("sync.entries[0]", image(*(f"{name}:3.21.3" for name in ALPINE)), copy=EXISTENCE),
        entry("sync.entries[1]", repository(*ALPINE, matching(r"^3\.\d+\.\d+$"), keep_last=3), copy=EXISTENCE),
        entry("sync.entries[2]", image(*(f"{name}:latest" for name in ALPINE))),
    ),
    "imglife-lifecycle": imglife(
        entry(
            "sync.entries[0]",
            repository(*ALPINE, matching(r"^3\.\d+\.\d+$")),
            copy=EXISTENCE,
            lifecycle=LifecycleRule(product="alpine", track="minor"),
        )
    ),
    "imglife-platforms": imglife(
        entry(
            "sync.entries[0]",
            repository(*ALPINE, matching(r"^3\.\d+\.\d+$")),
            copy=replace(EXISTENCE, platforms=PlatformRule((Platform("linux", "amd64"),))),
        ),
        entry(
            "sync.entries[1]",
            image("docker.io/library/node:22-alpine", "registry.example.com/mirrors/node:22-alpine"),
            copy=replace(EXISTENCE, platforms=PlatformRule((Platform("linux", "amd64"), Platform("linux", "arm64")))),
        ),
    ),
    "imglife-hooks": imglife(
        entry(
            "sync.entries[0]",
            repository(*ALPINE, matching(r"^3\.\d+\.\d+$")),
            copy=EXISTENCE,
            post_sync=(
                Hook(
                    cmd="""curl -s https://hooks.slack.com/... -d '{"text":"alpine synced"}'""",
                    timeout_s=10,
                    continue_on_error=True,
                ),
            ),
        )
    ),
}
NOTHING = ["there are no entries under 'sync': nothing is mirrored"]
WARNINGS = {"regsync-creds": NOTHING, "regsync-version": NOTHING}

BLOCKS = {
    "regsync, Configuration File: a minimal example": "regsync-minimal",
    "regsync, Configuration File: tag sets, in newer documentation": "regsync-tagsets",
    "regsync, version": "regsync-version",
    "regsync, Registry Credentials and Settings": "regsync-creds",
    "regsync, Registry Credentials and Settings: regcert": "regsync-creds",
    "regsync, defaults": "regsync-defaults",
    "regsync, sync": "regsync-sync",
    "regsync, User Extensions": "regsync-extensions",
    "imglife, Structure": "imglife-structure",
    "imglife, Tag selection: Fixed tag": "imglife-tags",
    "imglife, Tag selection: Tag regex": "imglife-tags",
    "imglife, Lifecycle tracking": "imglife-lifecycle",
    "imglife, Digest re-sync": "imglife-tags",
    "imglife, Platform selection": "imglife-platforms",
    "imglife, Hooks": "imglife-hooks",
}
"""Every block of YAML in the two documents, by its heading, and the file that holds it, completed."""


def read_example(path: str) -> bytes:
    return HUB_TOKEN if path == "/var/run/secrets/hub_token" else Path(path).read_bytes()


def test_every_example_file_is_expected() -> None:
    """No example file goes untested."""
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == set(EXPECTED) == set(BLOCKS.values())


@pytest.mark.parametrize("name", EXPECTED)
def test_example_loads_as_documented(name: str) -> None:
    """An example of the tools' documentation gives the entries, hosts and settings that its text describes."""
    desired = load(str(EXAMPLES / f"{name}.yaml"), environment={}, read_file=read_example)
    placeless = tuple(replace(entry, mark=NOWHERE, marks={}) for entry in desired.entries)
    assert replace(desired, file="", entries=placeless, warnings=()) == EXPECTED[name]
    assert [finding.message for finding in desired.warnings] == WARNINGS.get(name, [])
