"""Put together who knows the lifecycles of products: endoflife.date with its cache, and the data file."""

import os
import time
from datetime import UTC, datetime

from transship_planner.config.loader import read_path
from transship_planner.desired import Desired
from transship_planner.lifecycle.judge import Judge
from transship_planner.lifecycle.policy import eol_policy
from transship_planner.lifecycle.sources import CycleSource, DataFile, WithFallback, make_judge
from transship_planner.observation.observed import Policy
from transship_registry.endoflife.cache import CachedCycles, cache_folder
from transship_registry.home import home_folder
from transship_registry.registries import Registries


async def find_judge(desired: Desired, opened: Registries) -> Judge | None:
    """Learn what entries need to know of products; None, and nothing asked, when no entry has a lifecycle."""
    return await make_judge(desired, _source(desired, opened), today=datetime.now(UTC).date())


def policies(judge: Judge | None) -> tuple[Policy, ...]:
    """Return the policies that lifecycles call for."""
    return (eol_policy(judge),) if judge else ()


def _source(desired: Desired, opened: Registries) -> CycleSource:
    file = DataFile(desired.eol.data_file, read_path)
    if desired.eol.provider == "local":
        return file
    folder = cache_folder(os.environ, home_folder())
    return WithFallback(CachedCycles(desired.eol.url, opened.http.get_cycles, folder, time.time), file)
