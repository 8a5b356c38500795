"""Lifecycles end to end: plan, check and apply with `on_eol`, eol and eol update, with dates served on loopback."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.eol_server import EolServer
from support.program import Done, transship
from transship.demo_images import push_image
from transship_planner.plans.planfile import read
from transship_registry.layout import LayoutStore
from transship_registry.platform import Platform
from transship_registry.reference import Repository

SOON = (datetime.now(UTC).date() + timedelta(days=10)).isoformat()
PRODUCTS = {
    "alpine": [
        {"cycle": "3.22", "eol": "9999-01-01", "latest": "3.22.1", "latestReleaseDate": "2025-07-15"},
        {"cycle": "3.21", "eol": SOON},
        {"cycle": "3.20", "eol": "2020-01-01"},
    ]
}
TAGS = ("3.20.1", "3.21.1", "3.22.1", "latest")
CONFIG = """\
lifecycle: {{eol_url: '{url}', on_eol: {on_eol}{more}}}
sync:
  - source: ocidir://upstream
    target: ocidir://mirror
    type: repository
    lifecycle: {{product: {product}}}
"""


@dataclass(frozen=True)
class World:
    """A folder with a layout to mirror, and a server of end-of-life dates."""

    folder: Path
    server: EolServer

    def configure(self, *, on_eol: str = "warn", product: str = "alpine", more: str = "", url: str = "") -> None:
        """Write the configuration."""
        text = CONFIG.format(url=url or self.server.url, on_eol=on_eol, product=product, more=more)
        (self.folder / "transship.yaml").write_text(text)

    def run(self, *arguments: str, **environment: str) -> Done:
        """Run transship here, with a cache of its own."""
        cache = {"XDG_CACHE_HOME": str(self.folder / "cache")}
        return transship(*arguments, cwd=self.folder, env={**cache, **environment})


async def fill(folder: Path) -> None:
    async with LayoutStore() as store:
        for tag in TAGS:
            repository = Repository.parse(f"ocidir://{folder}/upstream")
            await push_image(store, repository.tag(tag), tag, (Platform("linux", "amd64"),))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    asyncio.run(fill(tmp_path))
    with EolServer(PRODUCTS) as server:
        made = World(tmp_path, server)
        made.configure()
        yield made


def days(text: str) -> str:
    """Return a text without the number of days, which changes at midnight."""
    return re.sub(r"in (9|10) days", "in 10 days", re.sub(r" -?\d+  (ok|soon|ended)\n", r" N  \1\n", text))


def test_a_plan_tells_and_warns(world: World) -> None:
    """With `warn` everything is mirrored; dates are asked for once a day, also by the commands that follow."""
    done = world.run("plan", "-o", "plan.json")
    assert (done.code, "Plan: 4 to create, 0 unchanged." in done.out) == (0, True)
    assert (
        "target                  product    cycle    EOL date      days left  status\n"
        "----------------------  ---------  -------  ----------  -----------  --------\n"
    ) in done.out
    assert re.search(r"ocidir://mirror:3\.20\.1 +alpine +3\.20 +2020-01-01 +-\d+  ended\n", done.out)
    assert re.search(rf"ocidir://mirror:3\.21\.1 +alpine +3\.21 +{SOON} +(9|10)  soon\n", done.out)
    assert re.search(r"ocidir://mirror:3\.22\.1 +alpine +3\.22 +9999-01-01 +\d+  ok\n", done.out)
    assert re.search(r"ocidir://mirror:latest +alpine +- +- +-  no cycle\n", done.out)
    assert "warning: sync[0]: alpine 3.20 ended on 2020-01-01 (ocidir://mirror:3.20.1)\n" in done.out
    assert f"warning: sync[0]: alpine 3.21 ends on {SOON}, in 10 days (ocidir://mirror:3.21.1)\n" in days(done.out)
    (first, *_) = read(world.folder / "plan.json").plan.changes
    assert first.lifecycle is not None
    assert (first.lifecycle.status.value, first.lifecycle.eol) == ("ended", "2020-01-01")
    assert world.run("apply", "plan.json").code == 0
    checked = world.run("check")
    assert checked.code == 0
    assert "alpine 3.20 ended on 2020-01-01" in checked.out
    assert checked.out.endswith("In sync: 4 tags as the configuration wants.\n")
    assert world.server.requests == ["/api/alpine.json"]


def test_a_held_tag_waits(world: World) -> None:
    """With `hold` it is not mirrored, exit 0, and the others are."""
    world.configure(on_eol="hold")
    done = world.run("once")
    assert done.code == 0
    assert "held: alpine 3.20 ended on 2020-01-01 (on_eol: hold)\n  ocidir://mirror:3.20.1\n\n" in done.out
    assert "Apply: 3 applied, 0 already as planned, 1 held.\n" in done.out
    checked = world.run("check", "--format", "json")
    assert checked.code == 0
    found = json.loads(checked.out)
    assert (found["in_sync"], found["unchanged"], len(found["lifecycles"])) == (True, 3, 4)


def test_a_blocked_tag_is_refused(world: World) -> None:
    """With `block` it is not mirrored and everything exits with 3; what is in sync already is never touched."""
    world.configure(on_eol="block")
    planned = world.run("plan")
    assert planned.code == 3
    assert "blocked: alpine 3.20 ended on 2020-01-01 (on_eol: block)\n" in planned.out
    assert world.run("check").code == 3
    world.configure(on_eol="warn")
    assert world.run("once").code == 0
    world.configure(on_eol="block")
    again = world.run("plan")
    assert again.code == 0
    assert "No changes." in again.out
    assert "alpine 3.20 ended on 2020-01-01" in again.out


@pytest.mark.parametrize("on_eol", ["hold", "block"])
def test_without_data_nothing_is_mirrored_unseen(world: World, on_eol: str) -> None:
    """A product that nobody knows is a warning, and its changes are held, exit 0."""
    world.configure(on_eol=on_eol, product="alpin")
    done = world.run("plan")
    assert done.code == 0
    assert "Plan: 1 to create, 3 held, 0 unchanged." in done.out
    assert f"held: end-of-life data of alpin is not known (on_eol: {on_eol})\n" in done.out
    assert (
        f"warning: end-of-life data of alpin is not known: GET cycles of alpin at {world.server.url}/api/alpin.json: "
        "HTTP 404 Not Found; no product is called 'alpin' there; products go by their names in the site's addresses, "
        f"see {world.server.url}\n"
    ) in done.out
    assert done.out.count("is not known: GET") == 1


def test_critical_days(world: World) -> None:
    """The environment says how early to warn; what is no number is an error that names the variable."""
    assert "ends on" not in world.run("plan", IMGLIFE_ALERT_CRITICAL_DAYS="5").out
    both = world.run("plan", TRANSSHIP_ALERT_CRITICAL_DAYS="60", IMGLIFE_ALERT_CRITICAL_DAYS="5")
    assert "3.21 ends on" in both.out
    wrong = world.run("plan", IMGLIFE_ALERT_CRITICAL_DAYS="a month")
    assert (wrong.code, wrong.err) == (
        1,
        "error: transship.yaml:1:12: the environment variable IMGLIFE_ALERT_CRITICAL_DAYS is no whole number of days\n",
    )


def test_older_data_when_nobody_answers(world: World) -> None:
    """Yesterday's answer, else the data file, is used, with a warning that says so."""
    assert world.run("plan").code == 0
    (kept,) = (world.folder / "cache" / "transship" / "endoflife").iterdir()
    os.utime(kept, (1_750_000_000, 1_750_000_000))
    world.server.odd["/api/alpine.json"] = (410, {}, b"gone")
    refused = (
        f"GET cycles of alpine at {world.server.url}/api/alpine.json: HTTP 410 Gone: gone; "
        "check the address of the end-of-life data, the network and the proxy, or try again later"
    )
    done = world.run("plan")
    prefix = f"warning: end-of-life data of alpine: {refused}; what "
    assert f"{prefix}was answered on 2025-06-15 is used\n" in done.out
    assert "alpine 3.20 ended on 2020-01-01" in done.out
    kept.unlink()
    (world.folder / "eol-data.yaml").write_text("alpine: [{cycle: 3.20, eol: 2019-01-01}]")
    done = world.run("plan")
    assert f"{prefix}eol-data.yaml says is used\n" in done.out
    assert "alpine 3.20 ended on 2019-01-01" in done.out


def test_a_local_provider_asks_nobody(world: World) -> None:
    """The file is all there is."""
    world.configure(more=", eol_provider: local, eol_data_file: dates.yaml", on_eol="block")
    (world.folder / "dates.yaml").write_text("alpine: [{cycle: 3.20, eol: true}]")
    done = world.run("plan")
    assert done.code == 3
    assert "blocked: alpine 3.20 has ended (on_eol: block)\n" in done.out
    assert "held: alpine has no cycle '3.21' (on_eol: block)\n" in done.out
    assert world.server.requests == []
    assert not (world.folder / "cache").exists()


def test_the_table(world: World) -> None:
    """`eol` asks the sources' tag lists, and only tells."""
    done = world.run("eol")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"ocidir://mirror:3\.20\.1 +alpine +3\.20 +2020-01-01 +-\d+  ended\n", done.out)
    assert days(done.out).endswith(
        "\n"
        "warning: sync[0]: alpine 3.20 ended on 2020-01-01 (ocidir://mirror:3.20.1)\n"
        f"warning: sync[0]: alpine 3.21 ends on {SOON}, in 10 days (ocidir://mirror:3.21.1)\n"
        "End of life: 4 tags, 1 ok, 1 soon, 1 ended, 1 no cycle.\n"
    )
    assert not (world.folder / "mirror").exists()


def test_the_table_as_data(world: World) -> None:
    """With the day it was made for; options may stand anywhere."""
    done = world.run("eol", "--format", "json", "-c", "transship.yaml", "--detailed-exitcode")
    assert (done.code, done.err) == (2, "")
    found = json.loads(done.out)
    assert (found["critical_days"], found["problems"]) == (30, [])
    assert [tag["status"] for tag in found["tags"]] == ["ended", "soon", "ok", "no cycle"]
    assert found["tags"][3] == {
        "entry": "sync[0]",
        "target": "ocidir://mirror:latest",
        "product": "alpine",
        "cycle": None,
        "eol": None,
        "days_left": None,
        "status": "no cycle",
        "note": "",
    }
    assert len(found["warnings"]) == 2


def test_nothing_to_be_alarmed_about(world: World) -> None:
    """`--detailed-exitcode` exits with 0 when no tag has ended or soon will."""
    world.server.products["alpine"] = [{"cycle": f"3.{minor}", "eol": False} for minor in (20, 21, 22)]
    done = world.run("eol", "--detailed-exitcode")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nEnd of life: 4 tags, 3 no date, 1 no cycle.\n")


def test_a_table_without_data(world: World) -> None:
    """What `eol` is for cannot be had: exit 1, and a tag list that cannot be read is a problem as well."""
    world.configure(product="alpin")
    done = world.run("eol", "--detailed-exitcode")
    assert done.code == 1
    assert done.out.endswith("\nEnd of life: 4 tags, 3 unknown, 1 no cycle.\n")
    world.configure()
    (world.folder / "upstream" / "index.json").write_text("{")
    done = world.run("eol")
    assert done.code == 1
    assert "problem: sync[0] ocidir://upstream: " in done.out
    assert done.out.endswith("\nEnd of life: 0 tags.\n")


def test_no_lifecycle_at_all(world: World) -> None:
    """Nobody is asked, and there is nothing to tell."""
    (world.folder / "transship.yaml").write_text(
        "sync: [{source: ocidir://upstream, target: ocidir://mirror, type: repository}]"
    )
    assert world.run("eol") == Done(0, "No entry has a lifecycle.\n", "")
    assert json.loads(world.run("eol", "--format", "json").out) == {
        "today": None,
        "critical_days": None,
        "tags": [],
        "problems": [],
        "warnings": [],
    }
    assert world.run("eol", "update") == Done(0, "", "No entry has a lifecycle; nothing is fetched.\n")
    assert list(world.folder.glob("*.yaml")) == [world.folder / "transship.yaml"]
    assert world.server.requests == []


def written(world: World) -> str:
    return (
        f"# End-of-life data from {world.server.url}, written by `transship eol update`.\n"
        "alpine:\n"
        '  - cycle: "3.22"\n'
        '    eol: "9999-01-01"\n'
        '    latest: "3.22.1"\n'
        '    latestReleaseDate: "2025-07-15"\n'
        '  - cycle: "3.21"\n'
        f'    eol: "{SOON}"\n'
        '  - cycle: "3.20"\n'
        '    eol: "2020-01-01"\n'
    )


def test_the_data_file_is_updated(world: World) -> None:
    """For products of entries only, replacing what was there, whatever the cache has; `local` then reads it."""
    world.server.products["go"] = []
    world.configure(more=", eol_provider: local")
    (world.folder / "eol-data.yaml").write_text("go: []\n")
    for _ in range(2):
        assert world.run("eol", "update") == Done(0, "eol-data.yaml: 1 product, 3 cycles.\n", "")
    assert (world.folder / "eol-data.yaml").read_text() == written(world)
    assert world.server.requests == ["/api/alpine.json"] * 2
    assert "alpine 3.20 ended on 2020-01-01" in world.run("plan").out
    assert len(world.server.requests) == 2
    assert not list(world.folder.glob(".*"))


def test_a_dry_run_shows_and_writes_nothing(world: World) -> None:
    """What would be written goes to standard output."""
    assert world.run("eol", "update", "--dry-run") == Done(0, written(world), "")
    assert not (world.folder / "eol-data.yaml").exists()


def test_another_data_file(world: World) -> None:
    """`--data-file` wins over the configuration; one that cannot be written is an error."""
    done = world.run("eol", "update", "--data-file", "other.yaml")
    assert (done.code, (world.folder / "other.yaml").read_text()) == (0, written(world))
    assert not (world.folder / "eol-data.yaml").exists()
    done = world.run("eol", "update", "--data-file", "no/such/folder.yaml")
    assert done == Done(
        1,
        "",
        "error: no/such/folder.yaml: cannot write the end-of-life data: No such file or directory\n",
    )


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_an_update_is_all_or_nothing(world: World, option: tuple[str, ...]) -> None:
    """When one product cannot be fetched the file stays as it is, exit 1."""
    text = (world.folder / "transship.yaml").read_text()
    more = (
        "  - {source: 'ocidir://upstream:latest', target: 'ocidir://m:1', type: image, lifecycle: {product: golang}}\n"
    )
    (world.folder / "transship.yaml").write_text(text + more)
    (world.folder / "eol-data.yaml").write_text("old: []\n")
    done = world.run("eol", "update", *option)
    assert done == Done(
        1,
        "",
        f"error: GET cycles of golang at {world.server.url}/api/golang.json: HTTP 404 Not Found; no product is called "
        f"'golang' there; products go by their names in the site's addresses, see {world.server.url}\n"
        "error: eol-data.yaml is left as it is.\n",
    )
    assert (world.folder / "eol-data.yaml").read_text() == "old: []\n"


def test_options_that_do_not_go_together(world: World) -> None:
    """Options of `eol` itself do not go with `eol update`."""
    done = world.run("eol", "--detailed-exitcode", "update")
    assert (done.code, done.out) == (1, "")
    assert "--detailed-exitcode and --format go with `eol` alone" in done.err
    assert world.server.requests == []
