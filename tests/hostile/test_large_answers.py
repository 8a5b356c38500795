"""Answers, files and templates that would take all memory: one line that names the limit, and the rest goes on.

The program runs with little memory; what it is sent is made while it is sent.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import zlib
from pathlib import Path
from typing import Final

import pytest

from support import images
from support.memory_registry import MemoryRegistry
from support.program import Done, command, environment
from support.registry_server import Bearer, Options, RegistryServer
from support.registry_server.faults import FalsifyDigestHeader, LargeBody, ReplaceBody
from transship_planner.errors import PlanError
from transship_planner.observation.reading import ImageReader, OnceReader
from transship_planner.plans import planfile
from transship_registry.errors import ContentError
from transship_registry.limits import (
    CONFIG_LIMIT,
    IMAGE_METADATA_LIMIT,
    LAYOUT_INDEX_LIMIT,
    LIST_LIMIT,
    MANIFEST_LIMIT,
    PLAN_LIMIT,
    REFERRERS_LIMIT,
    STATE_LIMIT,
    TAGS_FILE_LIMIT,
    TOKEN_BODY_LIMIT,
)
from transship_registry.mediatypes import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from transship_registry.reference import Reference

MEMORY_KIB: Final = 900 * 1024  # of addresses; the program itself takes a third of it
MOST_S: Final = 60
MIB: Final = 1024 * 1024
IMAGE: Final = images.single("app", layers=1, size=4096)


def limited(folder: Path, *arguments: object, **env: str) -> Done:
    """Run transship with little memory."""
    script = f'ulimit -v {MEMORY_KIB} && exec "$@"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command(*arguments)],
        cwd=folder,
        env=environment({"MALLOC_ARENA_MAX": "2", **env}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=MOST_S,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def configure(folder: Path, server: RegistryServer, *entries: str) -> None:
    lines = "\n".join(f"  - {{{entry}}}" for entry in entries).replace("HOST", server.host)
    creds = f'creds: [{{registry: "{server.host}", tls: disabled}}]'
    (folder / "mirror.yaml").write_text(f"version: 1\n{creds}\nsync:\n{lines}\n")


def problems(done: Done) -> list[str]:
    return [line.removeprefix("problem: ") for line in done.out.splitlines() if line.startswith("problem: ")]


def sparse(path: Path, size: int) -> None:
    """Make a file that takes no space on the disk."""
    with path.open("wb") as file:
        file.truncate(size)


GOOD: Final = 'source: "HOST/good:v1", target: "ocidir://mirror/good:v1", type: image'
APP: Final = 'source: "HOST/app:v1", target: "ocidir://mirror/app:v1", type: image'
TAGS: Final = 'source: "HOST/app", target: "ocidir://mirror/app", type: repository'


def serving(*faults: LargeBody | ReplaceBody | FalsifyDigestHeader, options: Options | None = None) -> RegistryServer:
    """Return a registry with app:v1 and good:v1."""
    server = RegistryServer(options, faults=faults)
    for name in ("app", "good"):
        server.store.add_image(name, "v1", IMAGE)
    return server


def mirrored(folder: Path, name: str) -> list[str]:
    entries = json.loads((folder / "mirror" / name / "index.json").read_bytes())["manifests"]
    return [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries]


# Registries.


def bomb() -> LargeBody:
    """A token answer of less than 1 MiB that becomes 992 MiB of JSON when it is decompressed."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packer.compress(b"")
    block = packer.compress(bytes(16 * MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return LargeBody(
        head=head, filler=block, times_over=62, tail=b"\x03\x00", path="/token", headers={"Content-Encoding": "gzip"}
    )


def test_a_small_token_answer_that_becomes_large_is_not_unpacked(tmp_path: Path) -> None:
    """Nobody asked for it to be compressed."""
    fault = bomb()
    assert len(fault.filler) * fault.times_over < TOKEN_BODY_LIMIT
    with serving(fault, options=Options(auth=Bearer())) as server:
        host = server.host
        configure(tmp_path, server, APP)
        done = limited(tmp_path, "once", "-c", "mirror.yaml")
        asked = [request.headers["accept-encoding"] for request in server.requests if "/token" in request.path]
    assert problems(done) == [
        f"sync[0] (line 4) ocidir://mirror/app:v1: get a token from http://{host}/token for {host} "
        f"(repository:app:pull): the answer is larger than {TOKEN_BODY_LIMIT} bytes"
    ]
    assert set(asked) == {"identity"}


def test_names_of_tags_that_are_no_names_are_left_out_however_long_they_are(tmp_path: Path) -> None:
    """A tag has 128 characters at most."""
    fault = LargeBody(head=b'{"tags":["v1","', filler=b"x" * 1024, times_over=30 * 1024, tail=b'"]}', path="app/tags")
    with serving(fault) as server:
        host = server.host
        configure(tmp_path, server, TAGS)
        done = limited(tmp_path, "once", "-c", "mirror.yaml")
    assert done.code == 0, done.err
    assert mirrored(tmp_path, "app") == ["v1"]
    shown = '"' + "x" * 59 + "…"
    warning = f"the tag list of {host}/app has 1 entry that no tag can be called: {shown}; it is left out"
    assert [line for line in done.out.splitlines() if warning in line]


@pytest.mark.parametrize(
    ("head", "path", "entry", "said"),
    [
        (
            b'{"tags":["v{page}"],"x":"',
            "app/tags/list",
            TAGS,
            f"HOST/app: the tag list is incomplete: GET tags HOST/app: the list goes on after {{}} bytes, "
            f"{LIST_LIMIT} are allowed; the list is incomplete: nothing may be deleted because of it",
        ),
        (
            b'{"repositories":["r{page}"],"x":"',
            "_catalog",
            'source: "HOST", target: "ocidir://mirror", type: registry',
            f"HOST: the list of repositories is incomplete: GET catalog HOST: the list goes on after {{}} bytes, "
            f"{LIST_LIMIT} are allowed; the list is incomplete: nothing may be deleted because of it",
        ),
    ],
    ids=["tags", "repositories"],
)
def test_lists_without_end_are_given_up(tmp_path: Path, head: bytes, path: str, entry: str, said: str) -> None:
    """Each page has another name, and a link to yet another page."""
    fault = LargeBody(head=head, times_over=16 * MIB, tail=b'"}', path=path, endless=True)
    with serving(fault) as server:
        host = server.host
        configure(tmp_path, server, entry, GOOD)
        done = limited(tmp_path, "once", "-c", "mirror.yaml")
        pages = server.requests.count("GET", path)
    size = pages * (16 * MIB + len(head) - len("{page}") + 1 + len('"}'))
    assert pages == LIST_LIMIT // (16 * MIB)
    assert problems(done) == [f"sync[0] (line 4) {said.format(size)}".replace("HOST", host)]
    assert mirrored(tmp_path, "good") == ["v1"]


def test_referrers_without_end_are_given_up(tmp_path: Path) -> None:
    """What is attached may be a signature, so that the image does not go without the rest of the list."""
    head = b'{"schemaVersion":2,"manifests":[],"page":"{page}","x":"'
    fault = LargeBody(
        head=head, times_over=4 * MIB, tail=b'"}', path="app/referrers/", endless=True, content_type=OCI_INDEX
    )
    with serving(fault) as server:
        host = server.host
        configure(tmp_path, server, f"{APP}, referrers: true", GOOD)
        done = limited(tmp_path, "once", "-c", "mirror.yaml")
        pages = server.requests.count("GET", "app/referrers/")
    size = pages * (4 * MIB + len(head) - len("{page}") + 1 + len('"}'))
    assert pages == REFERRERS_LIMIT // (4 * MIB)
    assert problems(done) == [
        f"sync[0] (line 4) ocidir://mirror/app:v1: list what is attached to {host}/app:v1: "
        f"GET referrers {host}/app@{IMAGE.digest}: the list goes on after {size} bytes, {REFERRERS_LIMIT} are "
        "allowed; the list is incomplete: nothing may be deleted because of it"
    ]
    assert mirrored(tmp_path, "good") == ["v1"]


@pytest.mark.parametrize(
    ("fault", "entry", "said"),
    [
        (
            LargeBody(head=b'{"tags":[1', filler=b",1", times_over=15 * MIB, tail=b"]}", path="app/tags/list"),
            TAGS,
            "HOST/app: GET tags HOST/app: the answer is no list of tags: it has more than 2000000 values",
        ),
        (
            LargeBody(head=b"{}", times_over=2000 * MIB, path="app/tags/list"),
            TAGS,
            "HOST/app: GET tags HOST/app: the answer has more than the 33554432 bytes allowed",
        ),
        (
            LargeBody(head=b"{}", times_over=2000 * MIB, path="app/manifests/sha256"),
            f"{APP}",
            f"HOST/app:v1: GET manifest HOST/app@{IMAGE.digest}: "
            f"the answer has more than the {MANIFEST_LIMIT} bytes allowed",
        ),
        (
            LargeBody(head=b'{"manifests":[]}', times_over=2000 * MIB, path="app/referrers/", content_type=OCI_INDEX),
            f"{APP}, referrers: true",
            f"ocidir://mirror/app:v1: list what is attached to HOST/app:v1: GET referrers HOST/app@{IMAGE.digest}: "
            f"the answer has more than the {REFERRERS_LIMIT} bytes allowed",
        ),
    ],
    ids=["many values", "a page of tags", "a manifest", "a page of referrers"],
)
def test_an_answer_that_is_too_large_is_an_error_of_its_entry(
    tmp_path: Path, fault: LargeBody, entry: str, said: str
) -> None:
    """It is not read to its end."""
    with serving(fault) as server:
        host = server.host
        configure(tmp_path, server, entry, GOOD)
        done = limited(tmp_path, "once", "-c", "mirror.yaml")
    assert problems(done) == [f"sync[0] (line 4) {said}".replace("HOST", host)]
    assert mirrored(tmp_path, "good") == ["v1"]


def children() -> list[tuple[str, LargeBody]]:
    """Return 250 manifests of 8 MiB each, which differ at their ends."""
    config = images.blob(b"{}", OCI_CONFIG)
    begin = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.descriptor(), "layers": [], "annotations": 0}
    )
    head, filler = begin.removesuffix("0}").encode() + b'{"x":"', b"x" * 1024
    times_over = MANIFEST_LIMIT // len(filler) - 1
    common = hashlib.sha256(head + filler * times_over)
    found: list[tuple[str, LargeBody]] = []
    for number in range(250):
        tail = b'","n":"%d"}}' % number
        hasher = common.copy()
        hasher.update(tail)
        digest = f"sha256:{hasher.hexdigest()}"
        fault = LargeBody(
            head=head, filler=filler, times_over=times_over, tail=tail, path=digest, content_type=OCI_MANIFEST
        )
        found.append((digest, fault))
    return found


def test_an_index_of_many_large_manifests_is_an_error_of_its_tag(tmp_path: Path) -> None:
    """Each of them is as large as a manifest may be."""
    large = children()
    entries = [{"mediaType": OCI_MANIFEST, "digest": digest, "size": MANIFEST_LIMIT} for digest, _ in large]
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    with serving(*(fault for _, fault in large)) as server:
        server.store.put_manifest("app", raw, OCI_INDEX, tag="v1")
        host = server.host
        configure(tmp_path, server, APP, GOOD)
        done = limited(tmp_path, "once", "-c", "mirror.yaml")
    assert problems(done) == [
        f"sync[0] (line 4) {host}/app:v1: {host}/app:v1: its manifests, with all that is attached to it, "
        f"have more than the {IMAGE_METADATA_LIMIT} bytes allowed"
    ]
    assert mirrored(tmp_path, "good") == ["v1"]


def test_all_manifests_of_a_run_have_a_limit_too() -> None:
    """What is read already stays at hand; an image that is too much is an error, and a smaller one may still do."""
    world = MemoryRegistry()
    for number in range(3):
        world.seed(f"reg.example/app:{number}", images.single(f"app {number}"))
    size = len(images.single("app 0").raw)

    async def scenario() -> None:
        reader = OnceReader(world, limit=2 * size + 10)
        tags = [Reference.parse(f"reg.example/app:{number}") for number in range(3)]
        for tag in (*tags[:2], *tags[:2]):
            await reader.get_manifest(tag)
        with pytest.raises(ContentError) as caught:
            await reader.get_manifest(tags[2])
        assert str(caught.value) == (
            f"GET manifest {tags[2]}: the manifests of this run have more than the {2 * size + 10} bytes allowed; "
            "plan fewer entries at once"
        )
        image = ImageReader(reader, tags[0], limit=size)
        assert await image.get_manifest(tags[0]) == await image.get_manifest(tags[0])
        with pytest.raises(ContentError) as caught:
            await image.get_manifest(tags[1])
        assert str(caught.value) == (
            f"{tags[0]}: its manifests, with all that is attached to it, have more than the {size} bytes allowed"
        )

    asyncio.run(scenario())


# Files.

LAYOUT: Final = "version: 1\nsync:\n  - {source: 'ocidir://source:v1', target: 'ocidir://mirror:v1', type: image}\n"


def test_a_sparse_index_of_a_layout_is_not_read(tmp_path: Path) -> None:
    """It says that it has 50 GB."""
    images.write_layout(tmp_path / "source", "v1", IMAGE)
    sparse(tmp_path / "source" / "index.json", 50 * 1000**3)
    (tmp_path / "mirror.yaml").write_text(LAYOUT)
    done = limited(tmp_path, "once", "-c", "mirror.yaml")
    assert problems(done) == [
        f"sync[0] (line 3) ocidir://mirror:v1: read layout ocidir://{tmp_path}/source: {tmp_path}/source/index.json: "
        f"it has {50 * 1000**3} bytes, more than the {LAYOUT_INDEX_LIMIT} allowed; "
        "no layout has such a file; repair it, or name another folder"
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        (
            "plan.json",
            "show plan.json",
            f"plan.json: cannot read the plan file: it has SIZE bytes, more than the {PLAN_LIMIT} allowed",
        ),
        (
            "plan.json",
            "apply plan.json -c good.yaml",
            f"plan.json: cannot read the plan file: it has SIZE bytes, more than the {PLAN_LIMIT} allowed",
        ),
        (
            "state.json",
            "drift --state state.json -c good.yaml",
            f"state.json: cannot read the state file: it has SIZE bytes, more than the {STATE_LIMIT} allowed",
        ),
        (
            "tags",
            "why source:v1 --tags-from tags -c good.yaml",
            f"tags: cannot read the tags: it has SIZE bytes, more than the {TAGS_FILE_LIMIT} allowed",
        ),
        (
            "mirror.yaml",
            "plan -c mirror.yaml",
            f"mirror.yaml:1:1: the file is larger than {CONFIG_LIMIT // MIB} MiB and is not read",
        ),
        (
            "old.yaml",
            "migrate old.yaml",
            f"old.yaml:1:1: the file is larger than {CONFIG_LIMIT // MIB} MiB and is not read",
        ),
    ],
)
def test_files_that_are_too_large_are_not_read(tmp_path: Path, name: str, arguments: str, said: str) -> None:
    """Two gigabytes of nothing."""
    sparse(tmp_path / name, 2 * 1000**3)
    (tmp_path / "good.yaml").write_text(LAYOUT)
    done = limited(tmp_path, *arguments.split())
    assert done.code != 0
    assert said.replace("SIZE", str(2 * 1000**3)) in done.err + done.out


def test_a_plan_that_could_not_be_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are as many changes in a plan as tags that differ."""
    saved = planfile.read(Path(__file__).parents[1] / "planner" / "samples" / "plan-0.1.0.json")
    size = len(planfile.encode(saved))
    monkeypatch.setattr(planfile, "PLAN_LIMIT", size - 1)
    with pytest.raises(PlanError) as caught:
        planfile.encode(saved)
    assert str(caught.value) == (
        f"the plan has {size} bytes, more than the {size - 1} allowed; plan fewer entries at once"
    )


@pytest.mark.parametrize("arguments", ["show /dev/stdin", "validate -c -", "validate -c /dev/stdin"])
def test_input_without_end_is_not_read(tmp_path: Path, arguments: str) -> None:
    """A pipe has no size, so that it is read as far as the limit."""
    script = f'ulimit -v {3 * MEMORY_KIB} && tr "\\0" " " < /dev/zero | "$@"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command(*arguments.split())],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=MOST_S,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    said = f"there is more than the {PLAN_LIMIT} allowed" if "show" in arguments else "is larger than 16 MiB"
    assert said in done.stdout + done.stderr


# Programs, and templates.


def test_a_credential_helper_that_never_ends_is_ended(tmp_path: Path) -> None:
    """What it says is no credential; the registry is asked without one."""
    helper = tmp_path / "docker-credential-endless"
    helper.write_text("#!/bin/sh\ncat >&2\nexec yes\n")
    helper.chmod(0o755)
    with serving(options=Options(auth=Bearer())) as server:
        docker = tmp_path / "docker"
        docker.mkdir()
        (docker / "config.json").write_text(json.dumps({"credHelpers": {server.host: "endless"}}))
        host = server.host
        configure(tmp_path, server, APP)
        path = f"{tmp_path}:{os.environ['PATH']}"
        done = limited(tmp_path, "once", "-c", "mirror.yaml", PATH=path, DOCKER_CONFIG=str(docker))
    assert (
        f"ask credential helper docker-credential-endless for {host}: it answers with more than 65536 bytes; "
        "expected JSON with Username and Secret"
    ) in done.out + done.err


@pytest.mark.parametrize(
    "template",
    [
        '{{ join (split (printf "%30000d" 1) "") (printf "%1000000d" 1) }}',
        '{{ $a := printf "%1000000d" 1 }}{{ printf "%[1]s%[1]s%[1]s%[1]s" $a }}',
        '{{ $a := split (printf "%30000d" 1) "" }}{{ $b := join $a "xxxxxxxxxxxxxxxxxxxx" }}'
        '{{ $c := join (split $b "") $b }}{{ $c }}',
        '{{ $a := printf "%1000d" 1 }}{{ html (js (urlquery (printf "%999999d" 1))) }}',
    ],
    ids=["join", "printf", "doublings", "escapes"],
)
def test_a_template_makes_no_more_than_a_megabyte(tmp_path: Path, template: str) -> None:
    """Not even on the way."""
    line = f"  - {{source: 'ocidir://source:v1', target: 'ocidir://mirror/{template}:v1', type: image}}\n"
    (tmp_path / "mirror.yaml").write_text(f"version: 1\nsync:\n{line}")
    done = limited(tmp_path, "validate", "-c", "mirror.yaml")
    assert done.code == 1
    assert " is longer than 1048576 bytes" in done.out + done.err or "takes more than 100000 steps" in (
        done.out + done.err
    )
