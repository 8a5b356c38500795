"""Platforms: parsing, normalisation and matching (semantics B11, OCI image-index)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_registry.errors import InvalidReferenceError
from transship_registry.platform import Platform

NORMALISED = {
    "linux/amd64": "linux/amd64",
    "Linux/AMD64": "linux/amd64",
    " linux/amd64 ": "linux/amd64",
    "linux/amd64/v1": "linux/amd64",
    "linux/amd64/v2": "linux/amd64/v2",
    "linux/x86_64": "linux/amd64",
    "linux/x86-64": "linux/amd64",
    "linux/x86_64/v3": "linux/amd64/v3",
    "linux/i386": "linux/386",
    "linux/386": "linux/386",
    "linux/arm64": "linux/arm64",
    "linux/arm64/v8": "linux/arm64",
    "linux/arm64/8": "linux/arm64",
    "linux/arm64/v9": "linux/arm64/v9",
    "linux/aarch64": "linux/arm64",
    "linux/arm": "linux/arm/v7",
    "linux/arm/7": "linux/arm/v7",
    "linux/arm/v6": "linux/arm/v6",
    "linux/armhf": "linux/arm/v7",
    "linux/armel": "linux/arm/v6",
    "macos/arm64": "darwin/arm64",
    "windows/amd64,osver=10.0.17763.1": "windows/amd64,osver=10.0.17763.1",
    "linux/s390x": "linux/s390x",
    "linux/riscv64/rva22u64": "linux/riscv64/rva22u64",
    "unknown/unknown": "unknown/unknown",
}


@pytest.mark.parametrize(("text", "normalised"), NORMALISED.items())
def test_a_platform_is_normalised(text: str, normalised: str) -> None:
    platform = Platform.parse(text)
    assert str(platform) == normalised
    assert Platform.parse(normalised) == platform


SHAPE = "is malformed: expected os/architecture[/variant], e.g. linux/amd64 or linux/arm/v7"
OPTION = "is unknown, expected osver=VERSION"
REFUSED = {
    "": f"platform '' {SHAPE}",
    "amd64": f"platform 'amd64' {SHAPE}",
    "local": f"platform 'local' {SHAPE}",
    "linux/": f"platform 'linux/' {SHAPE}",
    "/amd64": f"platform '/amd64' {SHAPE}",
    "linux/arm/v7/x": f"platform 'linux/arm/v7/x' {SHAPE}",
    "linux/am d64": f"platform 'linux/am d64' {SHAPE}",
    "linux/amd64,": f"platform 'linux/amd64,': option '' {OPTION}",
    "linux/amd64,osver": f"platform 'linux/amd64,osver': option 'osver' {OPTION}",
    "linux/amd64,osver=": f"platform 'linux/amd64,osver=': option 'osver=' {OPTION}",
    "linux/amd64,osver=1 0": f"platform 'linux/amd64,osver=1 0': option 'osver=1 0' {OPTION}",
    "linux/amd64,features=x": f"platform 'linux/amd64,features=x': option 'features=x' {OPTION}",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_a_malformed_platform_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(InvalidReferenceError, match=f"^{re.escape(message)}$"):
        Platform.parse(text)


RUNS = [
    # wanted, offered, whether the one runs the other
    ("linux/amd64", "linux/amd64", True),
    ("linux/amd64", "linux/amd64/v1", True),
    ("linux/amd64", "linux/amd64/v2", False),
    ("linux/amd64/v3", "linux/amd64/v2", True),
    ("linux/amd64/v3", "linux/amd64", True),
    ("linux/amd64", "linux/386", False),
    ("linux/amd64", "windows/amd64", False),
    ("linux/arm64", "linux/arm64/v8", True),
    ("linux/arm64", "linux/arm64/v9", False),
    ("linux/arm64", "linux/arm/v7", False),
    ("linux/arm", "linux/arm/v7", True),
    ("linux/arm", "linux/arm/v6", True),
    ("linux/arm/v6", "linux/arm/v7", False),
    ("linux/arm/v6", "linux/arm/v5", True),
    ("linux/arm/v6", "linux/arm", False),
    ("windows/amd64,osver=10.0.17763.1", "windows/amd64,osver=10.0.17763.9999", True),
    ("windows/amd64,osver=10.0.17763.1", "windows/amd64,osver=10.0.20348.1", False),
    ("windows/amd64,osver=10.0.17763.1", "windows/amd64", False),
    ("windows/amd64", "windows/amd64,osver=10.0.20348.1", True),
    ("darwin/arm64", "linux/arm64", False),
]


@pytest.mark.parametrize(("wanted", "offered", "runs"), RUNS)
def test_what_a_platform_runs(wanted: str, offered: str, *, runs: bool) -> None:
    assert Platform.parse(wanted).runs(Platform.parse(offered)) is runs


BEST: list[tuple[str, list[str], str | None]] = [
    ("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"),
    ("linux/amd64", ["linux/arm64"], None),
    ("linux/amd64", [], None),
    ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], "linux/amd64/v2"),
    ("linux/amd64/v3", ["linux/amd64/v3", "linux/amd64/v2"], "linux/amd64/v3"),
    ("linux/arm", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"),
    ("linux/arm/v7", ["linux/arm/v6", "linux/arm/v7", "linux/arm64"], "linux/arm/v7"),
    ("linux/riscv64/rva22u64", ["linux/riscv64/rva20u64", "linux/riscv64/rva22u64"], "linux/riscv64/rva22u64"),
    (
        "windows/amd64,osver=10.0.17763.1",
        ["windows/amd64,osver=10.0.20348.1", "windows/amd64,osver=10.0.17763.5", "windows/amd64,osver=10.0.17763.9"],
        "windows/amd64,osver=10.0.17763.5",
    ),
]


@pytest.mark.parametrize(("wanted", "offered", "best"), BEST)
def test_the_best_platform_is_the_equal_one_or_else_the_highest_below(
    wanted: str, offered: list[str], best: str | None
) -> None:
    found = Platform.parse(wanted).best([Platform.parse(text) for text in offered])
    assert (found and str(found)) == best


def test_the_os_version_can_be_left_out() -> None:
    assert str(Platform.parse("windows/amd64/v2,osver=10.0").any_version) == "windows/amd64/v2"


KNOWN = [
    (("linux", "amd64"), True),
    (("linux", "arm", "v6"), True),
    (("windows", "amd64", "", "10.0.17763.1"), True),
    (("unknown", "unknown"), False),
    (("linux", "unknown"), False),
    (("", "amd64"), False),
    (("linux", ""), False),
    (("linux", "amd64/evil"), False),
    (("linux", "amd64,osver=1"), False),
    (("linux", "amd64", "v 2"), False),
    (("windows", "amd64", "", "10.0, 11.0"), False),
    (("windows", "amd64", "", "10.0\n"), False),
]


@pytest.mark.parametrize(("fields", "known"), KNOWN)
def test_only_a_platform_that_can_be_written_is_known(fields: tuple[str, ...], *, known: bool) -> None:
    assert Platform.normalised(*fields).is_known is known


parts = st.text("abcABC019_.-", min_size=1, max_size=6)
versions = st.just("") | st.from_regex(r"[0-9.]{1,12}", fullmatch=True)


@given(parts, parts, st.just("") | parts, versions)
def test_parsing_what_was_formatted_gives_the_same_platform(os: str, arch: str, variant: str, version: str) -> None:
    platform = Platform.normalised(os, arch, variant, version)
    assert Platform.parse(str(platform)) == platform


texts = st.text(max_size=6)


@given(texts, texts, texts, texts)
def test_whatever_is_known_can_be_read_back(os: str, arch: str, variant: str, version: str) -> None:
    platform = Platform.normalised(os, arch, variant, version)
    assert not platform.is_known or Platform.parse(str(platform)) == platform


@given(parts, parts, st.just("") | parts, versions)
def test_normalising_twice_changes_nothing(os: str, arch: str, variant: str, version: str) -> None:
    once = Platform.normalised(os, arch, variant, version)
    assert Platform.normalised(once.os, once.architecture, once.variant, once.os_version) == once


platforms = st.builds(
    Platform.normalised,
    st.sampled_from(["linux", "windows"]),
    st.sampled_from(["amd64", "arm", "arm64", "riscv64"]),
    st.sampled_from(["", "v1", "v2", "v6", "v7", "v8", "rva20u64"]),
    st.sampled_from(["", "10.0.1", "10.0.2.7"]),
)


@given(platforms)
def test_every_platform_runs_itself_and_finds_itself_best(platform: Platform) -> None:
    assert platform.runs(platform)
    assert platform.best([platform]) == platform


@given(platforms, st.lists(platforms, max_size=8))
def test_the_best_is_one_that_runs_and_none_only_when_none_does(wanted: Platform, offered: list[Platform]) -> None:
    best = wanted.best(offered)
    running = [other for other in offered if wanted.runs(other)]
    assert (best in running) if running else (best is None)
    equal = [other for other in running if other.variant == wanted.variant]
    assert not equal or (best is not None and best.variant == wanted.variant)
