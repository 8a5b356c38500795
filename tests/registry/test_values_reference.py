"""References and repositories: the grammar and its normalisation row by row (semantics B7), and their text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_registry.digest import Digest
from transship_registry.errors import InvalidReferenceError
from transship_registry.reference import Reference, Repository, check_registry, check_tag

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
CHARACTERS = "expected lower-case letters and digits, separated by one of . _ __ - and / (at most 255 characters)"

FACTS = {
    # B7.1: what is a registry, and what is a part of a Docker Hub path
    "alpine": "docker.io/library/alpine:latest",
    "team/app": "docker.io/team/app:latest",
    "host/app": "docker.io/host/app:latest",
    "Host/app": "Host/app:latest",
    "host.example/app": "host.example/app:latest",
    "HOST.Example/app": "HOST.Example/app:latest",
    "host:5000/app": "host:5000/app:latest",
    "localhost/app": "localhost/app:latest",
    "localhost:5000/a/b/c:v1": "localhost:5000/a/b/c:v1",
    "[::1]/app": "[::1]/app:latest",
    "[2001:db8::1]:5000/app:v1": "[2001:db8::1]:5000/app:v1",
    "127.0.0.1:5000/app": "127.0.0.1:5000/app:latest",
    "1.2.3/app": "1.2.3/app:latest",
    "under_score.example/app": "under_score.example/app:latest",
    "example.com./app": "example.com./app:latest",
    "host.example:65535/app": "host.example:65535/app:latest",
    "host.example": "docker.io/library/host.example:latest",
    "host.example:5000": "docker.io/library/host.example:5000",
    # B7.2: the names of Docker Hub
    "docker.io/alpine": "docker.io/library/alpine:latest",
    "index.docker.io/alpine": "docker.io/library/alpine:latest",
    "registry-1.docker.io/team/app": "docker.io/team/app:latest",
    "docker.io/library/alpine:3": "docker.io/library/alpine:3",
    "hub.docker.com/app": "hub.docker.com/app:latest",
    # B7.3: `latest` only without tag and digest
    "alpine:3.20": "docker.io/library/alpine:3.20",
    f"alpine@{DIGEST}": f"docker.io/library/alpine@{DIGEST}",
    # B7.4: separators
    "a.b/c.d_e__f---g/h": "a.b/c.d_e__f---g/h:latest",
    "a--b": "docker.io/library/a--b:latest",
    # B7.5: tags
    f"a:{'t' * 128}": f"docker.io/library/a:{'t' * 128}",
    "a:_.-": "docker.io/library/a:_.-",
    "a:UPPER": "docker.io/library/a:UPPER",
    # B7.6: both
    f"a.b/c:t@{DIGEST}": f"a.b/c:t@{DIGEST}",
    # layouts
    "ocidir://a/b": "ocidir://a/b:latest",
    "ocidir:///a/b:v1": "ocidir:///a/b:v1",
    "ocidir:////a": "ocidir:///a:latest",
    "ocidir://./a/../b/": "ocidir://b:latest",
    "ocidir://with space/~x+y_z-1.0:t": "ocidir://with space/~x+y_z-1.0:t",
    f"ocidir://a@{DIGEST}": f"ocidir://a@{DIGEST}",
    f"ocidir://a:t@{DIGEST}": f"ocidir://a:t@{DIGEST}",
    "ocidir://.": "ocidir://.:latest",
    "ocidir://a:b:v1": "ocidir://a:docker.io/library/b:v1",
    "ocidir://a:b/c": "ocidir://a:docker.io/b/c:latest",
    "ocidir:///a:r.example:5000/b/c": "ocidir:///a:r.example:5000/b/c:latest",
    "ocidir:///a:r.example:5000/b/c:v1": "ocidir:///a:r.example:5000/b/c:v1",
    f"ocidir:///a:r.example/b:v1@{DIGEST}": f"ocidir:///a:r.example/b:v1@{DIGEST}",
    "ocidir://UPPER": "ocidir://UPPER:latest",
}


@pytest.mark.parametrize(("text", "canonical"), FACTS.items(), ids=[text[:40] for text in FACTS])
def test_a_reference_has_one_canonical_spelling(text: str, canonical: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == canonical
    assert Reference.parse(canonical) == reference


def malformed_path(reference: str, path: str) -> str:
    return f"reference {reference!r}: repository {path!r} is malformed: {CHARACTERS}"


TAG_RULE = "expected up to 128 letters, digits, _ . -, and none of . - first"
LAYOUT_RULE = "is malformed: letters, digits, spaces and / _ - . ~ + only"

REFUSED = {
    "": malformed_path("", "library/"),
    "a..b": malformed_path("a..b", "library/a..b"),
    "a___b": malformed_path("a___b", "library/a___b"),
    "a._b": malformed_path("a._b", "library/a._b"),
    "-a": malformed_path("-a", "library/-a"),
    "a-": malformed_path("a-", "library/a-"),
    "a b": malformed_path("a b", "library/a b"),
    "a\n": malformed_path("a\n", "library/a\n"),
    "a//b": malformed_path("a//b", "a//b"),
    "/a": malformed_path("/a", "/a"),
    "docker.io/": malformed_path("docker.io/", "library/"),
    "host.example/": malformed_path("host.example/", ""),
    "host.example/a:b:c": malformed_path("host.example/a:b:c", "a:b"),
    f"x.y/{'z' * 256}": malformed_path(f"x.y/{'z' * 256}", "z" * 256),
    "\N{LATIN SMALL LETTER E WITH ACUTE}/a": malformed_path(
        "\N{LATIN SMALL LETTER E WITH ACUTE}/a", "\N{LATIN SMALL LETTER E WITH ACUTE}/a"
    ),
    "Alpine": "reference 'Alpine': repository 'library/Alpine' must be lowercase",
    "a.b/Team/app": "reference 'a.b/Team/app': repository 'Team/app' must be lowercase",
    "localhost": "reference 'localhost' names a registry only; expected localhost/repository",
    "localhost:5000": "reference 'localhost:5000' names a registry only; expected localhost/repository",
    "a..b/c": "registry name 'a..b' is malformed: expected host[:port]",
    "host:/a": "registry name 'host:' is malformed: expected host[:port]",
    "host:port/a": "registry name 'host:port' is malformed: expected host[:port]",
    "host.example:0/a": "registry name 'host.example:0' is malformed: expected host[:port]",
    "host.example:65536/a": "registry name 'host.example:65536' is malformed: expected host[:port]",
    "-host.example/a": "registry name '-host.example' is malformed: expected host[:port]",
    f"{'h' * 64}.example/a": f"registry name '{'h' * 64}.example' is malformed: expected host[:port]",
    "999.1.1.1/a": "registry name '999.1.1.1' is malformed: expected host[:port]",
    "[::::]/a": "registry name '[::::]' is malformed: expected host[:port]",
    "[::1/a": "registry name '[::1' is malformed: expected host[:port]",
    "[::1%eth0]/a": "registry name '[::1%eth0]' is malformed: expected host[:port]",
    "user@host.example/a": (
        "reference '***@host.example/a' is malformed: a user and a password are no part of it; log in by creds"
    ),
    "a:": f"tag '' is malformed: {TAG_RULE}",
    "a:.b": f"tag '.b' is malformed: {TAG_RULE}",
    "a:-b": f"tag '-b' is malformed: {TAG_RULE}",
    "a:b+c": f"tag 'b+c' is malformed: {TAG_RULE}",
    f"a:{'t' * 129}": f"tag '{'t' * 129}' is malformed: {TAG_RULE}",
    "a@": "digest '' is malformed: expected algorithm:hex, e.g. sha256:<64 digits>",
    "a@sha256:abc": "digest 'sha256:abc' is malformed: expected sha256: and 64 lower-case hex digits",
    f"a@{DIGEST}@{DIGEST}": (f"digest '{DIGEST}@{DIGEST}' is malformed: expected sha256: and 64 lower-case hex digits"),
    "docker://a/b": (
        "reference 'docker://a/b': unknown scheme 'docker'; write registry/repository:tag or ocidir://path:tag"
    ),
    "http://a.b/c": (
        "reference 'http://a.b/c': unknown scheme 'http'; write registry/repository:tag or ocidir://path:tag"
    ),
    "ocifile://a": (
        "reference 'ocifile://a': unknown scheme 'ocifile'; write registry/repository:tag or ocidir://path:tag"
    ),
    "OCIDIR://a": (
        "reference 'OCIDIR://a': unknown scheme 'OCIDIR'; write registry/repository:tag or ocidir://path:tag"
    ),
    "ocidir://": f"reference 'ocidir://': layout path '' {LAYOUT_RULE}",
    "ocidir://a*b:c/d": f"reference 'ocidir://a*b:c/d': layout path 'a*b' {LAYOUT_RULE}",
    "ocidir://a:b/C": "reference 'b/C': repository 'b/C' must be lowercase",
    "ocidir://a:b/c:": f"tag '' is malformed: {TAG_RULE}",
    "ocidir://a*b": f"reference 'ocidir://a*b': layout path 'a*b' {LAYOUT_RULE}",
    "ocidir://a\0b": f"reference 'ocidir://a\\x00b': layout path 'a\\x00b' {LAYOUT_RULE}",
    "ocidir://a:": f"tag '' is malformed: {TAG_RULE}",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=[repr(text)[:40] for text in REFUSED])
def test_a_malformed_reference_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(InvalidReferenceError, match=f"^{re.escape(message)}$"):
        Reference.parse(text)


def test_a_repository_has_no_tag_and_no_digest() -> None:
    for text in ("a.b/c:t", f"a.b/c@{DIGEST}"):
        message = f"{text!r} names a tag or digest where a repository is expected"
        with pytest.raises(InvalidReferenceError, match=f"^{re.escape(message)}$"):
            Repository.parse(text)
    assert str(Repository.parse("alpine")) == "docker.io/library/alpine"


def test_the_name_of_a_registry_is_canonical() -> None:
    assert check_registry("registry-1.docker.io") == "docker.io"
    assert check_registry("localhost") == "localhost"
    assert check_registry("[::1]:5000") == "[::1]:5000"


def test_a_layout_is_named_by_its_folder() -> None:
    layout = Repository.layout("//a//b/")
    assert (layout.is_layout, layout.path, str(layout)) == (True, "/a/b", "ocidir:///a/b")
    message = "layout path 'a:b' is malformed: letters, digits, spaces and / _ - . ~ + are allowed"
    with pytest.raises(InvalidReferenceError, match=f"^{re.escape(message)}$"):
        Repository.layout("a:b")


def test_the_digest_is_asked_for_when_there_is_one() -> None:
    reference = Reference.parse(f"a.b/c:t@{DIGEST}")
    assert reference.identifier == DIGEST
    assert Reference.parse("a.b/c").identifier == "latest"
    assert reference.at(Digest.parse(DIGEST)).tag is None


separators = st.sampled_from([".", "_", "__", "-", "--", "----"])
words = st.text("abc019", min_size=1, max_size=5)
components = st.lists(st.tuples(separators, words), max_size=3).flatmap(
    lambda tail: words.map(lambda head: head + "".join(sep + word for sep, word in tail))
)
paths = st.lists(components, min_size=1, max_size=4).map("/".join)
labels = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,10}[A-Za-z0-9])?", fullmatch=True)
ports = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
hosts = st.one_of(
    st.just("docker.io"),
    st.just("localhost"),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.tuples(labels, labels).map(".".join).filter(lambda name: not re.fullmatch(r"[0-9.]+", name)),
)
registries = st.tuples(hosts, ports).map("".join)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True)
digests = st.binary(max_size=4).map(Digest.of)
layouts = st.from_regex(r"[A-Za-z0-9/_.~+ -]{1,30}", fullmatch=True).map(Repository.layout)
repositories = st.one_of(st.tuples(registries, paths).map("/".join).map(Repository.parse), layouts)


@given(repositories)
def test_parsing_what_was_formatted_gives_the_same_repository(repository: Repository) -> None:
    assert Repository.parse(str(repository)) == repository


@given(repositories, st.none() | tags, st.none() | digests)
def test_parsing_what_was_formatted_gives_the_same_reference(
    repository: Repository, tag: str | None, digest: Digest | None
) -> None:
    reference = Reference(repository, "latest" if tag is None and digest is None else tag, digest)
    assert Reference.parse(str(reference)) == reference


@given(repositories, tags, digests)
def test_a_reference_made_of_parts_is_the_one_parsed(repository: Repository, tag: str, digest: Digest) -> None:
    assert Reference.parse(f"{repository}:{tag}") == repository.tag(check_tag(tag))
    assert Reference.parse(f"{repository}@{digest}") == repository.at(digest)


@given(st.lists(repositories, max_size=6))
def test_repositories_are_ordered_and_equal_by_their_parts(found: list[Repository]) -> None:
    assert [str(one) for one in sorted(found)] == [
        str(one) for one in sorted(found, key=lambda one: (one.registry, one.path))
    ]
    assert {str(one) for one in set(found)} == {str(one) for one in found}
