"""What builds and checks the project holds together: targets, locks, the coverage floor, what is packed."""

import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from coverage_floor import comparison

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "tools" / "locks").glob("*.txt"))
PROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

_NAMES = r"(?: [A-Z_]+=(?:'[^']*'|\S+))*((?: [a-z][\w-]*)+)"
CALLS = {
    ".ci/run": r"^\s*target( \S+)$",
    ".github/workflows/*.yml": rf"^\s*- run: make{_NAMES}$",
    ".pre-commit-config.yaml": rf"^\s*entry: make{_NAMES}$",
    "Makefile": rf'(?:\$\(MAKE\)|@echo "make){_NAMES}',
    "*.md": rf"(?:^|`)make{_NAMES}(?=`| |$)",
}
"""How each kind of file calls a target of make, or shows how one does."""


class Pin(NamedTuple):
    """A package of a lock."""

    name: str
    version: Version


def makefile_targets() -> set[str]:
    """Return the targets of the Makefile that make no file."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    rules = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    phony = re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)
    assert rules == set(" ".join(phony).split())
    return rules


def called(pattern: str) -> set[str]:
    """Return the targets that the files of a pattern call."""
    files = sorted(ROOT.glob(pattern))
    assert files, pattern
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    names = re.findall(CALLS[pattern], text, re.MULTILINE)
    return {target for found in names for target in found.split()[:1]}


@pytest.mark.parametrize("pattern", CALLS)
def test_targets_that_are_named_exist(pattern: str) -> None:
    """CI, workflows, hooks and documents only call targets of make that there are."""
    named = called(pattern)
    assert named
    assert named - makefile_targets() == set()


def test_workflows_call_what_ci_calls() -> None:
    """Each target of .ci/run is called by a workflow, so that a pull request meets the same checks."""
    assert called(".ci/run") - called(".github/workflows/*.yml") == set()


def test_every_target_is_explained() -> None:
    """CONTRIBUTING has a row for each target, but for those that only serve others."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `make ([a-z-]+)` \|", text, re.MULTILINE))
    assert makefile_targets() - rows == {"help", "system", "clean"}


def pins(lock: Path) -> Iterator[Pin]:
    """Read a lock; each line is a comment, a pin or a hash, so that no address of an index gets into it."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        pin = re.fullmatch(r"([a-z0-9-]+)==([^ ;]+)(?: ; [^\\:]+)? \\", line)
        if pin is not None:
            yield Pin(pin[1], Version(pin[2]))
        else:
            assert re.fullmatch(r"#[^:]*(?:: [^:]*)?|    --hash=sha256:[0-9a-f]{64}(?: \\)?", line), line


def requirements(*groups: str) -> list[Requirement]:
    """Return the dependencies of the project and of groups."""
    found = list(PROJECT["project"]["dependencies"])
    waiting = list(groups)
    while waiting:
        for each in PROJECT["dependency-groups"][waiting.pop()]:
            if isinstance(each, str):
                found.append(each)
            else:
                waiting.append(each["include-group"])
    return [Requirement(each) for each in found]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_locks_are_whole_and_name_their_day(lock: Path) -> None:
    """Every package has one version and hashes, and the first line says which day's versions these are."""
    text = lock.read_text(encoding="utf-8")
    assert re.match(r"# Locked by `make lock` for \d{4}-\d\d-\d\d: ", text)
    assert len(list(pins(lock))) > 5
    for block in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=" in block, block


@pytest.mark.parametrize(
    ("lock", "groups"),
    [("run", ["build"]), ("test", ["test"]), ("dev", ["dev"]), ("tools", ["tools"]), ("lowest", ["test"])],
)
def test_locks_hold_what_is_declared(lock: str, groups: list[str]) -> None:
    """Each dependency is locked in a version that its range allows; otherwise, run `make lock`."""
    locked = {pin.name: pin.version for pin in pins(ROOT / "tools" / "locks" / f"{lock}.txt")}
    declared = requirements(*groups)
    if lock == "tools":
        declared = [each for each in declared if each.name in {"pipx", "uv"}]
    wrong = [
        f"{each} is locked as {locked.get(canonicalize_name(each.name))}"
        for each in declared
        if not each.specifier.contains(locked.get(canonicalize_name(each.name), Version("0")))
    ]
    assert wrong == []


def test_lowest_is_what_the_bounds_say() -> None:
    """Each dependency of the project has one lower bound, and `make test-lowest` installs just that version."""
    locked = {pin.name: pin.version for pin in pins(ROOT / "tools" / "locks" / "lowest.txt")}
    for each in requirements():
        (bound,) = each.specifier
        assert bound.operator == ">=", str(each)
        assert locked[canonicalize_name(each.name)] == Version(bound.version), str(each)


def test_the_coverage_floor_was_never_lowered() -> None:
    """In the repository's history, as far as this clone has it, `fail_under` only rises."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone: without its history, nobody knows what the floor was")
    history = subprocess.run(
        ["git", "log", "--reverse", "-p", "--format=", "-G", "^fail_under", "--", "pyproject.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    floors = [float(floor) for floor in re.findall(r"^\+fail_under = ([\d.]+)", history, re.MULTILINE)]
    floors.append(float(PROJECT["tool"]["coverage"]["report"]["fail_under"]))
    assert floors == sorted(floors)


@pytest.mark.parametrize(
    ("measured", "line"),
    [
        (93.214, "Coverage: 93.21 %, the floor is 93 %."),
        (93.999, "Coverage: 94.00 %, the floor is 93 %."),
        (94.0, "Coverage: 94.00 %, the floor is 93 %. Raise the floor: set fail_under = 94 in pyproject.toml."),
        (96.7, "Coverage: 96.70 %, the floor is 93 %. Raise the floor: set fail_under = 96 in pyproject.toml."),
    ],
)
def test_a_higher_coverage_asks_for_a_higher_floor(measured: float, line: str) -> None:
    """When a whole point has been gained, the line says what to write."""
    assert comparison(measured, 93) == line


def test_the_sdist_holds_what_a_wheel_is_built_from(tmp_path: Path) -> None:
    """All rooms, and the files that the metadata name; no tests, no tools."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    rooms = {
        str(path.relative_to(ROOT))
        for room in ("cli", "executor", "planner", "registry", "state")
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert rooms <= packed
    assert packed - rooms == {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
