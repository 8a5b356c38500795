"""The examples of both tools' documentation, run by the program against a real registry that stands in for the world.

Each example is a file of tests/planner/config/examples. What completes it is `creds`: docker.io, ghcr.io and the others
are one registry on the loopback interface, told apart by `pathPrefix`. It wants logins, which the examples give, or the
environment by the variables that imglife's documentation names.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from support import images
from support.images import Image
from support.program import Done, transship
from support.real_registry import RealRegistry
from support.registry_server.ca import CertificateAuthority
from support.registry_server.plain_client import PlainClient

EXAMPLES = Path(__file__).parents[1] / "planner" / "config" / "examples"
CERTIFICATE = "      -----BEGIN CERTIFICATE-----\n      -----END CERTIFICATE-----\n"
HUB_TOKEN_FILE = "/var/run/secrets/hub_token"

USERS = {"youruser": "Pa$$w0rd", "syncuser": "Pa$$w0rd", "myuser": "mytoken"}
MYSELF = ("myuser", "mytoken")
SOURCES = ("docker.io", "ghcr.io", "gcr.io")
TARGETS = ("registry.example.org", "registry.example.com", "localhost:5000")

AMD64_AND_ARM64 = ("linux/amd64", "linux/arm64")

ALPINE = "registry.example.org/library/alpine"
BUSYBOX = "registry.example.org/library/busybox"
MIRRORS = "registry.example.com/mirrors"


def image(seed: str, *more: str) -> Image:
    """Make an image of two platforms, and of more."""
    return images.multi_platform(seed, platforms=(*AMD64_AND_ARM64, *more), layers=1)


WORLD: Mapping[str, Mapping[str, Image]] = {
    "docker.io/library/alpine": {
        **{tag: image(f"alpine {tag}") for tag in ("3.0", "3.9.6", "3.21.2", "3.21.3", "3.22.0-rc1")},
        **dict.fromkeys(("3", "3.22", "3.22.0", "latest"), image("alpine 3.22.0")),
        "edge": image("alpine edge"),
        "20240101": image("alpine edge of January"),
    },
    "docker.io/library/busybox": {"latest": image("busybox"), "1": image("busybox 1")},
    "docker.io/library/node": {"22-alpine": image("node", "linux/s390x"), "22": image("node on Debian")},
    "ghcr.io/regclient/regctl": {
        "latest": images.with_attestations("regctl"),
        "v0.11.5": images.with_attestations("regctl"),
        "edge": images.with_attestations("regctl edge"),
        "sha-abc": images.single("regctl of a commit"),
    },
    "ghcr.io/regclient/regsync": {
        "latest": images.single("regsync"),
        "v0.11": images.single("regsync"),
        "v0.11-alpine": images.single("regsync on Alpine"),
    },
    "ghcr.io/owner/image": {"1.0": images.single("image of an owner")},
    "gcr.io/distroless/static": {"latest": image("static")},
}
OLD = images.single("what was there before")


@dataclass(frozen=True)
class Example:
    """A file of the examples (or a text), what its targets hold before, and what they hold in the end.

    Both are images by repository and tag. `parts` are images of which only some platforms arrive, in a new index.
    Its targets lie below a path of the one registry: `below`, or else the file's name.
    """

    file: str
    after: Mapping[str, Mapping[str, Image]]
    before: Mapping[str, Mapping[str, Image]] = field(default_factory=dict[str, Mapping[str, Image]])
    parts: Mapping[str, tuple[Image, tuple[str, ...]]] = field(default_factory=dict[str, tuple[Image, tuple[str, ...]]])
    text: str = ""
    below: str = ""

    def __str__(self) -> str:
        return self.file

    @property
    def root(self) -> str:
        """The path below which its targets lie."""
        return self.below or self.file


def of(source: str, tags: str) -> dict[str, Image]:
    """Return tags, separated by spaces, as a source has them."""
    return {tag: WORLD[source][tag] for tag in tags.split()}


def child(whole: Image, platform: str) -> Image:
    """Return the image of one platform."""
    return next(each for each in whole.children if each.platform == platform)


NEWEST = of("docker.io/library/alpine", "3.22.0 3.21.3 3.21.2")
RELEASES = of("docker.io/library/alpine", "3.22.0 3.21.3 3.21.2 3.9.6")
REGCTL = {"registry.example.org/regclient/regctl": of("ghcr.io/regclient/regctl", "latest edge v0.11.5")}
BUSYBOX_LATEST = of("docker.io/library/busybox", "latest")

CASES = (
    Example("regsync-version", after={}),
    Example(
        "regsync-minimal",
        before={ALPINE: {"3.22": OLD, "mine": OLD}},
        after={
            BUSYBOX: BUSYBOX_LATEST,
            ALPINE: {**of("docker.io/library/alpine", "latest edge 3 3.22"), "mine": OLD},
            **REGCTL,
        },
    ),
    Example("regsync-tagsets", after={ALPINE: of("docker.io/library/alpine", "latest edge 3 3.0 3.22")}),
    Example("regsync-defaults", before={BUSYBOX: BUSYBOX_LATEST}, after={BUSYBOX: BUSYBOX_LATEST}),
    Example("regsync-sync", after={BUSYBOX: BUSYBOX_LATEST, **REGCTL}),
    Example(
        "regsync-extensions",
        before={BUSYBOX: {"latest": OLD}},
        after={
            BUSYBOX: {**BUSYBOX_LATEST, "backup-latest": OLD},
            "registry.example.org/regclient/regsync": of("ghcr.io/regclient/regsync", "latest v0.11"),
            **REGCTL,
        },
    ),
    Example("imglife-structure", after={f"{MIRRORS}/alpine": NEWEST}),
    Example(
        "imglife-tags",
        before={f"{MIRRORS}/alpine": {"3.21.3": OLD, "latest": OLD}},
        after={f"{MIRRORS}/alpine": {**NEWEST, "3.21.3": OLD, **of("docker.io/library/alpine", "latest")}},
    ),
    Example("imglife-lifecycle", after={f"{MIRRORS}/alpine": RELEASES}),
    Example(
        "imglife-platforms",
        after={f"{MIRRORS}/alpine": {tag: child(found, "linux/amd64") for tag, found in RELEASES.items()}},
        parts={f"{MIRRORS}/node:22-alpine": (WORLD["docker.io/library/node"]["22-alpine"], AMD64_AND_ARM64)},
    ),
    Example("imglife-hooks", after={f"{MIRRORS}/alpine": RELEASES}),
    Example(
        "imglife-private-source",
        text="sync:\n  entries:\n"
        '    - {source: ghcr.io/owner/image, tag: "1.0", target: registry.example.com/mirrors/image}\n',
        after={f"{MIRRORS}/image": of("ghcr.io/owner/image", "1.0")},
    ),
)


@pytest.fixture(scope="module")
def world() -> Iterator[RealRegistry]:
    """Run a registry with logins, and publish everything that the examples mirror."""
    with RealRegistry(users=USERS) as registry:
        for repository, tags in WORLD.items():
            for tag, found in tags.items():
                images.push(registry.url, f"source/{repository}", tag, found, auth=MYSELF)
        yield registry


def place(example: str, name: str) -> str:
    """Return the path prefix below which the one registry holds the content of another one."""
    return f"source/{name}" if name in SOURCES else f"{example}/{name.replace(':', '-')}"


def complete(text: str, creds: list[str], folder: Path) -> str:
    """Add settings of registries to those that an example has, and put its secret where tests may write."""
    (folder / "hub_token").write_text("Pa$$w0rd\n")
    items = "".join(f"  - {{{settings}}}\n" for settings in creds)
    text = text if "\ncreds:\n" in f"\n{text}" else f"{text}creds:\n"
    return text.replace("creds:\n", f"creds:\n{items}", 1).replace(HUB_TOKEN_FILE, str(folder / "hub_token"))


def login(text: str) -> dict[str, str]:
    """Return the environment that logs in to the registries for which an example itself has no login."""
    own = re.findall(r"registry: (\S+)\n    user:", text)
    return {
        f"IMGLIFE_{re.sub('[^A-Z0-9]', '_', name.upper())}_{suffix}": value
        for name in (*SOURCES, *TARGETS)
        if name not in own
        for suffix, value in zip(("USERNAME", "PASSWORD"), MYSELF, strict=True)
    }


def quiet_commands(folder: Path) -> str:
    """Return a PATH on which the commands of the examples' hooks do nothing."""
    folder.mkdir()
    for name in ("notify-team.sh", "curl"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def seen(client: PlainClient, below: str) -> dict[str, dict[str, bytes]]:
    """Return the manifests of all tags of all repositories below a path, as they come, without that path."""
    catalogue = cast("list[str]", client.request("GET", "/v2/_catalog?n=1000").expect(200).document()["repositories"])
    return {
        name.removeprefix(f"{below}/"): {
            tag: client.get_manifest(name, tag).expect(200).body for tag in client.list_tags(name)
        }
        for name in catalogue
        if name.startswith(f"{below}/")
    }


def children(index: bytes) -> list[tuple[str, str]]:
    """Return the platform and digest of each child of an index."""
    return [
        (f"{each['platform']['os']}/{each['platform']['architecture']}", each["digest"])
        for each in json.loads(index)["manifests"]
    ]


@dataclass(frozen=True)
class Run:
    """An example, completed, in a folder of its own."""

    world: RealRegistry
    example: Example
    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str) -> Done:
        """Run a command on it."""
        return transship(*arguments, "-c", "mirror.yaml", cwd=self.folder, env=self.environment)

    def targets(self) -> dict[str, dict[str, bytes]]:
        """Return the manifests that its targets hold, by repository and tag."""
        with PlainClient(self.world.url, auth=MYSELF) as client:
            return seen(client, self.example.root)


def prepare(example: Example, world: RealRegistry, folder: Path) -> Run:
    """Complete an example, and put to its targets what they hold before."""
    for repository, tags in example.before.items():
        host, _, path = repository.partition("/")
        for tag, found in tags.items():
            images.push(world.url, f"{place(example.root, host)}/{path}", tag, found, auth=MYSELF)
    text = example.text or (EXAMPLES / f"{example.file}.yaml").read_text()
    creds = [
        f"registry: {name}, hostname: {world.host}, tls: disabled, pathPrefix: {place(example.root, name)}"
        for name in (*SOURCES, *TARGETS)
    ]
    (folder / "mirror.yaml").write_text(complete(text, creds, folder))
    return Run(world, example, folder, {**login(text), "PATH": quiet_commands(folder / "commands")})


@pytest.mark.parametrize("example", CASES, ids=str)
def test_example_mirrors_what_it_says(example: Example, world: RealRegistry, tmp_path: Path) -> None:
    """Run once, an example leaves exactly the right tags and digests behind, and `check` agrees."""
    run = prepare(example, world, tmp_path)
    done = run("once")
    assert done.code == 0, done.err
    found = run.targets()
    for reference, (whole, platforms) in example.parts.items():
        repository, _, tag = reference.rpartition(":")
        assert children(found[repository].pop(tag)) == [(each, child(whole, each).digest) for each in platforms]
        assert found.pop(repository) == {}
    digests = {name: {tag: images.digest_of(raw) for tag, raw in tags.items()} for name, tags in found.items()}
    wanted = {name: {tag: given.digest for tag, given in tags.items()} for name, tags in example.after.items()}
    assert digests == wanted
    checked = run("check")
    assert checked.code == 0, checked.err
    last = "In sync: " if example.after or example.parts else "Nothing was compared: no tag is wanted."
    assert checked.out.splitlines()[-1].startswith(last)


def test_example_is_planned_without_writing(world: RealRegistry, tmp_path: Path) -> None:
    """A plan names every target that is to change, and changes none."""
    minimal = next(example for example in CASES if example.file == "regsync-minimal")
    run = prepare(replace(minimal, below="planned"), world, tmp_path)
    before = run.targets()
    planned = run("plan")
    assert planned.code == 0, planned.err
    assert re.findall(r"^(\w+) +(registry\S+)", planned.out, re.MULTILINE) == [
        ("create", f"{ALPINE}:3"),
        ("update", f"{ALPINE}:3.22"),
        ("create", f"{ALPINE}:edge"),
        ("create", f"{ALPINE}:latest"),
        ("create", f"{BUSYBOX}:latest"),
        *(("create", f"registry.example.org/regclient/regctl:{tag}") for tag in ("edge", "latest", "v0.11.5")),
    ]
    assert run.targets() == before
    assert len(before) == 1


def test_example_of_creds(world: RealRegistry, tmp_path: Path) -> None:
    """A login, a registry without TLS, an authority of one's own and a login per repository serve what they are for."""
    authority = CertificateAuthority(tmp_path / "ca")
    pair = authority.server()
    pem = "".join(f"      {line}\n" for line in authority.certificate.read_text().splitlines())
    text = (EXAMPLES / "regsync-creds.yaml").read_text()
    assert CERTIFICATE in text
    with (
        RealRegistry(certificate=pair.certificate, key=pair.key, ready_context=authority.client_context()) as secure,
        PlainClient(world.url, auth=MYSELF) as client,
    ):
        creds = [
            f"registry: {name}, hostname: {world.host}, pathPrefix: {place('regsync-creds', name)}"
            f"{'' if name == 'localhost:5000' else ', tls: disabled'}"
            for name in ("docker.io", "gcr.io", "localhost:5000")
        ]
        creds.append(f"registry: registry.example.org, hostname: {secure.host}")
        (tmp_path / "regsync-debug.yml").write_text(
            complete(text.replace(CERTIFICATE, pem), creds, tmp_path) + "sync:\n"
            "  - {source: busybox, target: 'localhost:5000/library/busybox', type: image}\n"
            "  - {source: gcr.io/distroless/static, target: registry.example.org/distroless/static, type: image}\n"
        )

        def run(*arguments: str) -> Done:
            return transship(*arguments, "-c", "regsync-debug.yml", cwd=tmp_path, env=login(text))

        done = run("once", "-v", "trace", "--logopt", "json")
        assert done.code == 0, done.err
        found = seen(client, "regsync-creds")
        with PlainClient(secure.url, context=authority.client_context()) as secure_client:
            arrived = secure_client.get_manifest("distroless/static", "latest").expect(200).body
        checked = run("check", "-v", "trace", "--logopt", "json")
    assert found == {"localhost-5000/library/busybox": {"latest": BUSYBOX_LATEST["latest"].raw}}
    assert arrived == WORLD["gcr.io/distroless/static"]["latest"].raw
    assert (checked.code, checked.out) == (0, "In sync: 2 tags as the configuration wants.\n"), checked.err
    assert {type(json.loads(line)) for line in done.err.splitlines()} == {dict}


def test_every_example_is_run() -> None:
    """No file of the examples is left out."""
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} <= {*(example.file for example in CASES), "regsync-creds"}
