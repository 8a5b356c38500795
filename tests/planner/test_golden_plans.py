"""Golden plans: a configuration and a world in, the plan as text and as a file out.

Each folder below `plans` is a case: `mirror.yaml` (or `config` in `world.yaml`), the images of the world by reference,
the day and the end-of-life data where they matter, and what comes of it. `pytest --update-golden` rewrites the results,
and the diff is reviewed.
"""

import asyncio
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import images
from support.memory_registry import MemoryRegistry
from transship_planner.config import config_digest, load
from transship_planner.desired import Desired
from transship_planner.lifecycle.judge import Judge
from transship_planner.lifecycle.policy import eol_policy
from transship_planner.lifecycle.sources import DataFile, make_judge
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, Mode
from transship_planner.plans.planfile import PlanFile, encode, save
from transship_planner.render.text import render_text
from transship_registry.quota import Quota

PLANS = Path(__file__).parent / "plans"
CASES = sorted(path.name for path in PLANS.iterdir())
SECRETS = {"/var/run/secrets/hub_token": b"dckr_pat_golden"}


def make_image(description: str) -> images.Image:
    """Make an image from `kind seed [platforms…]`."""
    kind, seed, *platforms = description.split()
    chosen = platforms or ["linux/amd64", "linux/arm64"]
    match kind:
        case "index":
            return images.multi_platform(seed, platforms=chosen)
        case "list":
            return images.multi_platform(seed, platforms=chosen, dialect=images.Dialect.DOCKER)
        case "attested":
            return images.with_attestations(seed, platforms=chosen)
        case "single":
            return images.single(seed, platform=platforms[0] if platforms else "linux/amd64")
        case "chart":
            return images.artifact(None, seed=seed, config_media_type=images.HELM_CONFIG)
        case _:
            raise ValueError(f"no such kind of image: {kind}")


def read_file(path: str) -> bytes:
    """Read a file of the case, or a secret that its templates ask for."""
    return SECRETS.get(path) or Path(path).read_bytes()


def judge_of(desired: Desired, case: Path, today: date | None) -> Judge | None:
    """Judge by the data file of the case, on the day of its world."""
    if today is None:
        return None
    data = DataFile(desired.eol.data_file, lambda name: (case / name).read_bytes())
    return asyncio.run(make_judge(desired, data, today=today))


def plan(case: Path) -> PlanFile:
    """Plan a case."""
    described: dict[str, Any] = yaml.safe_load((case / "world.yaml").read_text())
    world = MemoryRegistry()
    for reference, description in described["images"].items():
        world.seed(reference, make_image(description))
    for found, quotas in ((world.quotas, "quotas"), (world.stated, "stated")):
        found.update({registry: Quota(**quota) for registry, quota in described.get(quotas, {}).items()})
    desired = load(str(case / described.get("config", "mirror.yaml")), environment={}, read_file=read_file)
    circumstances = Circumstances(
        tool_version="golden",
        config=ConfigPin(digest=config_digest(desired), dialect=desired.dialect.value),
        mode=Mode(missing=described.get("missing", False)),
        lines={entry.name: entry.mark.line for entry in desired.entries},
        judge=judge_of(desired, case, described.get("today")),
    )
    policies = (eol_policy(circumstances.judge),) if circumstances.judge else ()
    observed = asyncio.run(observe(desired, world, missing=circumstances.mode.missing, policies=policies))
    assert world.writes() == [], "planning writes nothing"
    return save(diff(observed, circumstances), created_at="2026-01-01T00:00:00Z")


@pytest.mark.parametrize("case", CASES)
def test_golden_plan(case: str, request: pytest.FixtureRequest) -> None:
    """The plan, as text and as a file, is what was reviewed."""
    folder = PLANS / case
    saved = plan(folder)
    results = {
        "plan.txt": render_text(saved.plan, digest=str(saved.digest)),
        "plan.json": json.dumps(json.loads(encode(saved)), indent=1) + "\n",
    }
    for name, text in results.items():
        if request.config.getoption("--update-golden"):
            (folder / name).write_text(text)
        assert (folder / name).read_text() == text
    assert "dckr_pat_golden" not in "".join(results.values())
    assert "Pa$$w0rd" not in "".join(results.values())
