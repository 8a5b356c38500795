"""Put the rooms together: configuration, registries and state, as a command needs them."""

import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from transship.invocation import LOG, Invocation
from transship_planner.config import load
from transship_planner.desired import Desired, ImageScope, RegistryScope, RepositoryScope
from transship_planner.errors import MissingConfigError
from transship_registry.hosts import DEFAULT_PATIENCE
from transship_registry.layout.links import LayoutLinks
from transship_registry.reference import Repository
from transship_registry.registries import Registries, open_registries
from transship_state.filestore import FileStore

DEFAULT_FILES: Final = ("transship.yaml", "transship.yml", "regsync.yml", "regsync.yaml", "imglife.yaml")


def find_config(invocation: Invocation) -> str | None:
    """Return the configuration file to use: as named, by `IMGLIFE_CONFIG`, or the first default file that is here."""
    named = invocation.config or os.environ.get("IMGLIFE_CONFIG")
    return named or next((name for name in DEFAULT_FILES if Path(name).is_file()), None)


def load_config(invocation: Invocation) -> Desired:
    """Load the configuration, and log what is doubtful in it; raises `ConfigError`."""
    name = find_config(invocation)
    if name is None:
        raise MissingConfigError(DEFAULT_FILES)
    desired = load(name, environment=os.environ)
    for finding in desired.warnings:
        LOG.warning("%s", finding)
    return desired


@asynccontextmanager
async def registries(desired: Desired | None, *, outage_s: float = 0.0) -> AsyncGenerator[Registries]:
    """Open the registries and layouts with the settings of the configuration, or with the defaults without one.

    Its targets are never read from a mirror, which may lag behind. A registry is given up after `outage_s` seconds of
    silence.
    """
    async with open_registries(
        desired.hosts if desired else (),
        user_agent=desired.user_agent if desired else "",
        skip_docker_config=desired.skip_docker_config if desired else False,
        targets=set(_targets(desired)) if desired else (),
        target_prefixes=set(_prefixes(desired)) if desired else (),
        chunk_max=desired.blob_limit if desired else 0,
        layout_links=desired.layout_links if desired else LayoutLinks.COPY,
        patience=desired.patience if desired else DEFAULT_PATIENCE,
        outage_s=outage_s,
    ) as opened:
        yield opened
        for warning in opened.credentials.warnings:
            LOG.warning("%s", warning)


def _targets(desired: Desired) -> Iterator[Repository]:
    """Name the targets that the configuration names; those below a registry, and of backups, the plan names."""
    for entry in desired.entries:
        match entry.scope:
            case ImageScope(_, target):
                yield target.repository
            case RepositoryScope(_, target, _):
                yield target
            case RegistryScope():
                pass
        if entry.copy.referrer_target is not None:
            yield entry.copy.referrer_target


def _prefixes(desired: Desired) -> Iterator[str]:
    """Name below what all repositories are targets: of whole registries, and where `target_name` names them."""
    for entry in desired.entries:
        if isinstance(entry.scope, RegistryScope) or (
            isinstance(entry.scope, RepositoryScope) and entry.target_name is not None
        ):
            yield str(entry.scope.target)


def state_store(desired: Desired | None, state_file: Path | None) -> FileStore | None:
    """Return the store of the state that the command line or the configuration names; None when neither does."""
    named = state_file or (Path(desired.state) if desired and desired.state else None)
    return FileStore(named) if named else None
