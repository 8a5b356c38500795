"""`os_normalize` (semantics A6)."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_planner.names.normalise import OS_NAMES, Normalised, os_candidates, os_normalize
from transship_registry.digest import Digest


def digest(character: str) -> Digest:
    """Make a digest that is easily told from others."""
    return Digest("sha256", character * 64)


@pytest.mark.parametrize(
    ("tag", "tags", "target"),
    [
        pytest.param("alpine3.21", "latest 1.22-alpine3.21 1.21-alpine3.21", "1.22-alpine3.21", id="A6 the example"),
        pytest.param("alpine", "1.9-alpine 1.22-alpine 1.23-alpine3.21", "1.22-alpine", id="A6.3 same OS part only"),
        pytest.param("alpine3.21", "1.9.9-alpine3.21 1.10.0-alpine3.21", "1.10.0-alpine3.21", id="A6.3 highest"),
        pytest.param("bookworm", "1.22-bookworm v1.23-bookworm", "v1.23-bookworm", id="A6.3 with v"),
        pytest.param("slim", "3.12-slim 3.13-rc1-slim", "3.12-slim", id="A6.3 no pre-release"),
        pytest.param("slim", "3-slim 3.0-slim 3.0.0-slim", "3.0.0-slim", id="A6.3 most numbers of equal versions"),
        pytest.param(
            "slim", "3.12-slim 3.12-bookworm-slim 9.2.3.4.5-slim", "3.12-slim", id="A6.3 only a version before"
        ),
        pytest.param("ubuntu22.04", "7.2-ubuntu22.04", "7.2-ubuntu22.04", id="A6.2 number with dots"),
        pytest.param("1.22-alpine3.21", "1.23-alpine3.21", "1.22-alpine3.21", id="A6.4 begins with a version"),
        pytest.param("latest", "1.22-latest", "latest", id="A6.2 no OS"),
        pytest.param("slim-bookworm", "3.12-slim-bookworm", "slim-bookworm", id="A6.2 more than an OS"),
        pytest.param("alpine3.", "1-alpine3.", "alpine3.", id="A6.2 incomplete number"),
        pytest.param("alpinelinux", "1-alpinelinux", "alpinelinux", id="A6.2 longer word"),
        pytest.param("Alpine", "1-Alpine", "Alpine", id="A6.2 names are lower case"),
    ],
)
def test_target_name(tag: str, tags: str, target: str) -> None:
    """A tag that names only an OS gets the highest version in front; every other tag keeps its name."""
    assert os_normalize(tag, tags.split()) == Normalised(target)


def test_the_os_names() -> None:
    """All that count as an operating system, and no others (semantics A6.2)."""
    systems = "alpine debian ubuntu bookworm bullseye buster trixie jammy noble focal slim windowsservercore nanoserver"
    assert set(OS_NAMES) == set(systems.split())


def test_candidates_are_versions_of_that_very_tag() -> None:
    """Neither a version alone, nor one of a tag that is no operating system, nor what is no version."""
    tags = ["1.23", "1.22-alpine", "1.21-alpine3.20", "edge-alpine", "1.24-latest"]
    assert os_candidates("alpine", tags) == ("1.22-alpine",)
    assert os_candidates("latest", tags) == ()


@pytest.mark.parametrize("name", OS_NAMES)
def test_every_os_name(name: str) -> None:
    """Every name of the list counts as an OS, with and without a number (semantics A6.2)."""
    assert os_normalize(name, [f"2.1-{name}"]).target == f"2.1-{name}"
    assert os_normalize(f"{name}12.1", [f"2.1-{name}12.1"]).target == f"2.1-{name}12.1"


def test_same_digest_is_preferred() -> None:
    """The version whose tag has the same content wins over a higher one (semantics A6.3)."""
    tags = ["alpine", "1.21-alpine", "1.22-alpine", "1.22.5-alpine", "1.23-alpine"]
    digests = {
        "alpine": digest("a"),
        "1.22-alpine": digest("a"),
        "1.22.5-alpine": digest("a"),
        "1.23-alpine": digest("b"),
    }
    assert os_normalize("alpine", tags, digests) == Normalised("1.22.5-alpine")


def test_unknown_digests_are_not_equal() -> None:
    """Digests that are not known say nothing: the highest version counts."""
    tags = ["alpine", "1.22-alpine", "1.23-alpine"]
    assert os_normalize("alpine", tags, {"1.23-alpine": digest("a")}) == Normalised("1.23-alpine")
    assert os_normalize("alpine", tags, {"alpine": digest("a")}) == Normalised("1.23-alpine")


def test_no_version_is_a_warning() -> None:
    """Without a versioned tag of that OS the name is kept, and a warning says why (semantics A6.4)."""
    assert os_normalize("alpine3.21", ["alpine3.21", "1.22-alpine3.20", "edge-alpine3.21"]) == Normalised(
        "alpine3.21",
        "os_normalize: tag 'alpine3.21' keeps its name: "
        "no tag of the form VERSION-alpine3.21 gives the version to put in front",
    )


_PREFIXES = st.sampled_from(["", "1-", "1.2-", "1.10-", "v2-", "edge-"])
_TAGS = st.lists(st.tuples(_PREFIXES, st.sampled_from(OS_NAMES)).map("".join), min_size=1)


@given(_TAGS, st.randoms())
def test_normalising_is_idempotent_and_blind_to_order(tags: list[str], random: Random) -> None:
    """A normalised name stays as it is, and the order of the tag list does not matter (semantics A6.4)."""
    shuffled = random.sample(tags, len(tags))
    for tag in tags:
        target = os_normalize(tag, tags).target
        assert os_normalize(tag, shuffled).target == target
        assert os_normalize(target, tags).target == target
