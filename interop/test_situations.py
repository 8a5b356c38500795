"""The same configuration through regsync and through transship, into places of their own, gives the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from interop import programs
from interop.conftest import Servers
from interop.places import Held, Place, Registry, look
from interop.rows import SITUATIONS, SUBJECTS
from interop.situation import Gives, Route, Situation
from interop.warm import Run, Warm

from support.program import Done, transship

COMPATIBILITY = Path(__file__).resolve().parents[1] / "docs" / "compatibility.md"
CASES = [(situation, route) for situation in SITUATIONS for route in situation.routes]
BY_DAY = [(rows[0], rows[0].routes[0]) for rows in SUBJECTS.values()]
"""What is also tried with the program as its users start it; at night, everything is."""


@dataclass(frozen=True)
class Side:
    """A source and a target, and the configuration that names them."""

    source: Place
    target: Place
    config: Path

    @classmethod
    def of(cls, situation: Situation, source: Place, target: Place, config: Path, *, careful: bool = False) -> "Side":
        """Write the configuration, and fill the target as the situation wants.

        When `careful`, an olareg at the target gets one request at a time: it loses one of two referrers of an image
        that arrive at once.
        """
        situation.target(target)
        side = cls(source, target, config)
        settings = "".join(f", {line}" for line in situation.host_settings)
        creds = "".join(
            f"  - {{registry: '{host}', tls: disabled{settings}{', reqConcurrent: 1' if one_by_one else ''}}}\n"
            for host, one_by_one in _hosts(source, target, careful=careful and "reqConcurrent" not in settings)
        )
        head = f"creds:\n{creds}" if creds and not situation.config.startswith("creds:") else ""
        config.write_text(f"version: 1\n{head}{side.named(situation.config)}", encoding="utf-8")
        return side

    def named(self, text: str) -> str:
        """Put the names of source and target in place of their words."""
        for word, place in (("SOURCE", self.source), ("TARGET", self.target)):
            if isinstance(place, Registry):
                text = text.replace(f"{word}_HOST", place.host).replace(f"{word}_PREFIX", place.prefix)
            text = text.replace(word, place.name)
        return text

    def check(self, gives: Gives, done: Done) -> Held:
        """Compare what a run has left with what it should."""
        held = look(self.target)
        assert done.code == gives.code, done.err
        assert sorted(held.tags) == sorted(self.named(gives.tags).split()), done.err
        assert {name: held.tags[name] for name in gives.points} == {
            name: image.digest for name, image in gives.points.items()
        }
        assert (len(held.attached), len(held.lacking)) == (gives.attached, gives.lacking), done.err
        assert gives.lists in {None, len(held.lists)}
        return held


def _hosts(source: Place, target: Place, *, careful: bool) -> Iterator[tuple[str, bool]]:
    """Yield the hosts that need settings, and whether they get one request at a time."""
    one_by_one = careful and isinstance(target, Registry) and target.referrers_api
    for host in dict.fromkeys(source.hosts + target.hosts):
        yield host, one_by_one and host in target.hosts


def test_the_documented_differences_are_documented() -> None:
    """Every row in which regsync gives something else quotes the comparison."""
    page = COMPATIBILITY.read_text(encoding="utf-8")
    assert [row.name for row in SITUATIONS if (row.theirs is not None) != bool(row.passage)] == []
    assert [row.name for row in SITUATIONS if row.passage not in page] == []


def test_names_are_unique() -> None:
    """A row can be found by its name."""
    assert len({row.name for row in SITUATIONS}) == len(SITUATIONS)


def _named(situation: Situation, route: Route) -> str:
    return f"{situation.name}: {route}"


@pytest.mark.parametrize(("situation", "route"), [pytest.param(*case, id=_named(*case)) for case in CASES])
def test_regsync_and_transship_agree(
    situation: Situation, route: Route, tmp_path: Path, servers: Servers, warm: Warm
) -> None:
    """Exit codes, tags, digests, referrers and completeness are equal, or differ as documented."""
    _compare(situation, route, tmp_path, servers, warm.transship)


@pytest.mark.parametrize(
    ("situation", "route"),
    [pytest.param(*case, id=_named(*case), marks=() if case in BY_DAY else pytest.mark.nightly) for case in CASES],
)
def test_regsync_and_transship_agree_as_programs(
    situation: Situation, route: Route, tmp_path: Path, servers: Servers
) -> None:
    """The same, with each run of transship started as its users start it."""
    _compare(situation, route, tmp_path, servers, transship)


def _compare(situation: Situation, route: Route, folder: Path, servers: Servers, run: Run) -> None:
    source = servers.place(route.source, folder, target=False)
    situation.source(source)
    theirs, ours = (
        Side.of(
            situation,
            source,
            servers.place(route.target, folder, target=True),
            folder / f"{name}.yaml",
            careful=name == "regsync",
        )
        for name in ("regsync", "transship")
    )
    _run_both(situation, situation.gives, theirs, ours, run)
    if situation.then is not None:
        assert situation.afterwards is not None
        situation.then(source)
        _run_both(situation, situation.afterwards, theirs, ours, run)


def _run_both(situation: Situation, gives: Gives, theirs: Side, ours: Side, run: Run) -> None:
    line, folder = (*situation.command, "-c"), ours.config.parent
    peer = programs.run("regsync", *line, theirs.config, cwd=folder, env=situation.environment)
    done = run(*line, ours.config, cwd=folder, env=situation.environment)
    held = ours.check(gives, done)
    assert gives.says in done.out + done.err
    if situation.theirs is None:
        assert theirs.check(gives, peer) == held
    else:
        other = theirs.check(situation.theirs, peer)
        assert (other, peer.code) != (held, done.code), "the documented difference is none"
    if gives.code == 0 and situation.command[0] == "once":
        again = run(*line, ours.config, cwd=folder, env=situation.environment)
        assert (again.code, "No changes." in again.out) == (0, True), again.out + again.err
        assert look(ours.target) == held
