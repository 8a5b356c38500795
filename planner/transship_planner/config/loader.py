"""Loads a configuration: bytes, YAML tree, sections by the format's tables, normalised entries."""

import errno
import gc
import re
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final

from transship_planner.config.credentials import read_hosts, read_patience
from transship_planner.config.crosschecks import check_entries
from transship_planner.config.durations import SECOND
from transship_planner.config.entries import EntryReader, read_hooks
from transship_planner.config.expansion import Expander, ReadFile
from transship_planner.config.lifecycle import read_eol_settings
from transship_planner.config.problems import Problems
from transship_planner.config.reading import read_table
from transship_planner.config.section import Section
from transship_planner.config.tables import OTHER_SECTIONS, top_level
from transship_planner.config.yamltree import MapNode, Node, ScalarNode, parse_yaml
from transship_planner.desired import Desired, Dialect, Entry
from transship_planner.errors import ConfigError, Finding, Mark
from transship_planner.places import Places
from transship_registry.layout.links import LayoutLinks
from transship_registry.limits import CONFIG_LIMIT
from transship_registry.regular import open_input

STDIN: Final = "-"
STDIN_NAME: Final = "<stdin>"
PARALLELISM_VARIABLE: Final = "IMGLIFE_SYNC_PARALLELISM"

_NEWEST_VERSION: Final = 1
_IMGLIFE_PARALLELISM: Final = 4
_POSITIVE: Final = re.compile(r"0*[1-9][0-9]{0,8}")


def read_path(path: str) -> bytes:
    """Read a file, and no more of it than a configuration may be long; raises `OSError`."""
    with open_input(path) as file:
        return file.read(CONFIG_LIMIT + 1)


def read_stdin() -> bytes:
    """Read standard input, and no more of it than a configuration may be long; raises `OSError`."""
    try:
        return sys.stdin.buffer.read(CONFIG_LIMIT + 1)
    except OSError as error:
        if error.errno == errno.EBADF:
            raise OSError(errno.EBADF, "standard input is closed") from None
        raise


def load(
    path: str,
    *,
    environment: Mapping[str, str],
    read_file: ReadFile = read_path,
    stdin: Callable[[], bytes] = read_stdin,
) -> Desired:
    """Load the configuration file at `path`, `-` being standard input; raises `ConfigError` with all that is wrong.

    `environment` and `read_file` also serve the templates `env` and `file`.
    """
    return load_noting(Problems(), path, environment=environment, read_file=read_file, stdin=stdin)


def load_noting(
    problems: Problems,
    path: str,
    *,
    environment: Mapping[str, str],
    read_file: ReadFile = read_path,
    stdin: Callable[[], bytes] = read_stdin,
) -> Desired:
    """Load as `load` does, and note in `problems` what is found, so that a refused file's warnings are known too."""
    name = STDIN_NAME if path == STDIN else path
    try:
        data = stdin() if path == STDIN else read_file(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(Finding(Mark(name, 1, 1), f"the configuration cannot be read: {reason}")) from None
    return _load(data, name, environment, read_file, problems)


def loads(data: bytes, *, file: str, environment: Mapping[str, str], read_file: ReadFile = read_path) -> Desired:
    """Load a configuration from its text; `file` is what messages call it. Raises `ConfigError`."""
    return _load(data, file, environment, read_file, Problems())


@contextmanager
def _collector_at_rest() -> Generator[None, None, None]:
    """Keep the cyclic garbage collector from running.

    A large file becomes hundreds of thousands of values without cycles, at most a few million; walking them again and
    again would take half of the time (`benchmarks/config_load.py`).
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@_collector_at_rest()
def _load(data: bytes, file: str, environment: Mapping[str, str], read_file: ReadFile, problems: Problems) -> Desired:
    root = parse_yaml(data, file, problems)
    dialect = _dialect(root)
    config = _read_root(root, dialect, file, problems)
    expander = Expander(environment, read_file, problems)
    defaults = config.section("defaults")
    patience = read_patience(defaults)
    hosts = read_hosts(config, expander, problems, patience)
    sync = config.section("sync")
    entries = _entries(config, dialect, expander, problems)
    parallel = _parallel(config, dialect, environment, problems)
    post_sync = read_hooks(sync.section("hooks"), problems)
    eol = read_eol_settings(config.section("lifecycle"), environment, problems)
    check_entries(entries, Places(hosts), problems)
    _check_top_level(config, problems)
    problems.check()
    return Desired(
        file=file,
        dialect=dialect,
        entries=entries,
        hosts=hosts,
        parallel=parallel,
        user_agent=defaults.text("userAgent"),
        skip_docker_config=defaults.flag("skipDockerConfig"),
        cache_count=defaults.whole("cacheCount"),
        cache_time_s=defaults.whole("cacheTime") / SECOND,
        blob_limit=defaults.whole("blobLimit"),
        layout_links=LayoutLinks(defaults.text("layoutLinks") or LayoutLinks.COPY.value),
        patience=patience,
        post_sync=post_sync,
        state=config.text("state"),
        eol=eol,
        warnings=tuple(sorted(problems.warnings)),
    )


def _dialect(root: Node | None) -> Dialect:
    """Tell the format from what `sync` is, or else from sections that only imglife has (docs/configuration.md)."""
    values = {member.key: member.value for member in root.members} if isinstance(root, MapNode) else {}
    sync = values.get("sync")
    if isinstance(sync, MapNode):
        return Dialect.IMGLIFE
    is_imglife = sync is None and not values.keys().isdisjoint((*OTHER_SECTIONS, "registry", "lifecycle"))
    return Dialect.IMGLIFE if is_imglife else Dialect.REGSYNC


def _read_root(root: Node | None, dialect: Dialect, file: str, problems: Problems) -> Section:
    nothing = Section("", Mark(file, 1, 1), {})
    if root is None or (isinstance(root, ScalarNode) and root.plain and not root.text):
        problems.warn(nothing.mark, "the configuration is empty: nothing is mirrored")
        return nothing
    return read_table(root, top_level(dialect), "", problems) or nothing


def _entries(config: Section, dialect: Dialect, expander: Expander, problems: Problems) -> tuple[Entry, ...]:
    sync = config.section("sync")
    sections = sync.sections("entries") if dialect is Dialect.IMGLIFE else config.sections("sync")
    reader = EntryReader(
        dialect=dialect,
        defaults=config.section("defaults"),
        platforms=sync.values.get("platforms"),
        lifecycle=config.section("lifecycle"),
        expander=expander,
        problems=problems,
    )
    if config.values and not sections:
        problems.warn(config.where("sync"), "there are no entries under 'sync': nothing is mirrored")
    return tuple(entry for section in sections for entry in reader.read(section))


def _parallel(config: Section, dialect: Dialect, environment: Mapping[str, str], problems: Problems) -> int:
    """Return how many images are copied at once: the file's word, then imglife's variable (semantics A11.1, B8.2)."""
    defaults = config.section("defaults")
    if "parallel" in defaults or dialect is Dialect.REGSYNC:
        return max(defaults.whole("parallel"), 0)
    text = environment.get(PARALLELISM_VARIABLE, "")
    if not text:
        return _IMGLIFE_PARALLELISM
    if _POSITIVE.fullmatch(text):
        return int(text)
    message = f"the environment variable {PARALLELISM_VARIABLE} is no whole number of at least 1"
    problems.error(config.where("sync"), message)
    return _IMGLIFE_PARALLELISM


def _check_top_level(config: Section, problems: Problems) -> None:
    version = config.whole("version", _NEWEST_VERSION)
    if version > _NEWEST_VERSION:
        message = f"unsupported config version {version}; the newest is {_NEWEST_VERSION}"
        problems.error(config.where("version"), message)
    others = [name for name in OTHER_SECTIONS if name in config]
    if others:
        names = ", ".join(repr(name) for name in others)
        message = f"other commands of imglife use {names}; transship does not"
        problems.warn(min(config.where(name) for name in others), message)
