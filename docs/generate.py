"""Write the generated parts of the documentation; with `--check`, tell which of them are out of date.

A generated part stands between `<!-- generated: NAME -->` and `<!-- /generated -->` in README.md or a file of docs/.
"""

import ast
import asyncio
import contextlib
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import typer.main

import transship.main
import transship_registry.limits
from transship.demo_images import PLATFORMS, push_image
from transship_executor.apply import apply
from transship_executor.recording import StateRecorder, begin
from transship_executor.remembering import remember
from transship_planner.config import config_digest, loads
from transship_planner.config.durations import format_duration
from transship_planner.config.schema import (
    Anything,
    Choice,
    Decimal,
    Duration,
    Field,
    Flag,
    Format,
    Kind,
    ListOf,
    Record,
    ScalarOrRecord,
    Table,
    Text,
    TextMap,
    Whole,
)
from transship_planner.config.tables import DEFAULTS, ENTRY, top_level
from transship_planner.desired import Dialect
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, StatePin
from transship_planner.plans.planfile import encode, save
from transship_planner.tags.semver import SEMVER_DIFFERENCES
from transship_registry.layout import LayoutStore
from transship_registry.platform import Platform
from transship_registry.ports import RegistryWriter
from transship_registry.reference import Repository
from transship_registry.registries import open_registries
from transship_state.filestore import FileStore

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_PART: Final = re.compile(r"(<!-- generated: ([a-z -]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)
_QUIET: Final = {"NO_COLOR": "1", "TYPER_USE_RICH": "0", "COLUMNS": "80", "DOCKER_CONFIG": "/nonexistent"}


def main(arguments: list[str]) -> int:
    """Rewrite the pages, or with `--check` only compare; returns the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python docs/generate.py [--check]\n")
        return 2
    outdated = [(page, new) for page in PAGES if (new := renewed(page)) != page.read_text(encoding="utf-8")]
    for page, new in outdated:
        if not arguments:
            page.write_text(new, encoding="utf-8")
        verb = "out of date, run `make docs`" if arguments else "rewritten"
        sys.stdout.write(f"{page.relative_to(ROOT)}: {verb}\n")
    return 1 if arguments and outdated else 0


def renewed(page: Path) -> str:
    """Return the text of a page with its generated parts as they should be."""
    return _PART.sub(
        lambda found: f"{found[1]}{part(found[2])}\n{found[3]}",
        page.read_text(encoding="utf-8"),
    )


def part(name: str) -> str:
    """Return the generated part of that name; raises `KeyError` when there is none."""
    if name.startswith("story "):
        return story()[name.removeprefix("story ")]
    return _PARTS[name]()


def limits() -> str:
    """Return what `limits.py` says: each limit, and what it is about."""
    body = ast.parse(Path(transship_registry.limits.__file__).read_text(encoding="utf-8")).body
    rows = [
        f"| {_quantity(said.target.id)} | {inspect.cleandoc(str(words.value.value))} |"
        for said, words in pairwise(body)
        if isinstance(said, ast.AnnAssign)
        and isinstance(said.target, ast.Name)
        and isinstance(words, ast.Expr)
        and isinstance(words.value, ast.Constant)
    ]
    return "\n".join(("| at most | of what |", "|---|---|", *(" ".join(row.split()) for row in rows)))


def _quantity(name: str) -> str:
    limit: int = getattr(transship_registry.limits, name)
    if name in {"PAGES_LIMIT", "NAMES_LIMIT", "VALUES_LIMIT", "OWN_VALUES_LIMIT", "REASON_LIMIT"}:
        return f"{limit:,}"
    return f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"


def commands() -> str:
    """Return what `--help` says, of the program, of each command, and of each command below one."""
    names = ["", *_command_names(typer.main.get_command(transship.main.app))]
    sections = [(f"## transship {name}".rstrip(), _run(ROOT, *name.split(), "--help")) for name in names]
    return "\n\n".join(f"{heading}\n\n{_fenced('console', shown)}" for heading, shown in sections)


def _command_names(group: Any, above: str = "") -> Iterator[str]:
    for name, command in getattr(group, "commands", {}).items():
        yield f"{above}{name}"
        yield from _command_names(command, f"{above}{name} ")


def _run(folder: Path, *arguments: str, expected: int = 0) -> str:
    """Run transship and return its command line and standard output, as a terminal shows them."""
    done = subprocess.run(  # noqa: S603 - our own program, with arguments from this file
        [sys.executable, "-m", "transship", *arguments],
        cwd=folder,
        env={**os.environ, **_QUIET},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != expected:
        raise SystemExit(f"transship {' '.join(arguments)}: exit {done.returncode}, not {expected}\n{done.stderr}")
    # made on no state, a plan holds a nonce, so that its digest is another one each time
    output = re.sub(r"(Plan digest: `?sha256:)[0-9a-f]{64}", r"\1…", done.stdout.strip("\n"))
    output = re.sub(r"(?<=applied on )[-0-9]+T[:0-9]+Z", _EXAMPLE_TIME, output)
    return "\n".join(line.rstrip() for line in (f"$ transship {' '.join(arguments)}", *output.splitlines()))


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


# The field reference


def fields() -> str:
    """Return a section with a table for each table of the formats."""
    return "\n\n".join(_section(paths, table) for paths, table in tables())


def tables() -> list[tuple[tuple[str, ...], Table]]:
    """Return every table of both formats once, with the paths at which it may stand, the usual one first."""
    found: dict[int, tuple[list[str], Table]] = {}
    for dialect in Dialect:
        for path, table in _walk(top_level(dialect)):
            # the two formats' whole files differ only in what `sync` is
            paths, _ = found.setdefault(id(table) if path else 0, ([], table))
            if path not in paths:
                paths.append(path)
    return [(tuple(sorted(paths, key=_is_default)), table) for paths, table in found.values()]


def _is_default(path: str) -> bool:
    return path.startswith("defaults.")


def _walk(root: Table) -> Iterator[tuple[str, Table]]:
    """Yield a table and all below it with their paths, the shortest paths first."""
    waiting = deque([("", root)])
    while waiting:
        path, table = waiting.popleft()
        yield path, table
        for entry in table.fields:
            suffix = "[]" if isinstance(entry.kind, ListOf) else ""
            inner = entry.kind.item if isinstance(entry.kind, ListOf) else entry.kind
            if isinstance(inner, Record | ScalarOrRecord):
                waiting.append((f"{path}.{entry.name}{suffix}".lstrip("."), inner.table))


def _section(paths: tuple[str, ...], table: Table) -> str:
    heading, *others = paths
    blocks = [f"### `{heading}`" if heading else "### The whole file"]
    if others:
        blocks.append(f"Also at {', '.join(f'`{path}`' for path in others)}.")
    shown = [entry for entry in table.fields if table is not DEFAULTS or entry not in ENTRY.inheritable()]
    rows = ["| key | type | home | default | meaning |", "|---|---|---|---|---|"]
    rows += [_row(entry, at_top=not heading) for entry in shown]
    blocks.append("\n".join(rows))
    if table is DEFAULTS:
        inherited = ", ".join(f"`{entry.name}`" for entry in ENTRY.inheritable())
        blocks.append(f"And what every entry inherits unless it says otherwise: {inherited}.")
    blocks += [_exclusive(ways) for ways in table.exclusive]
    if table.open:
        blocks.append("An unknown key here is a warning, not an error.")
    return "\n\n".join(blocks)


def _row(entry: Field, *, at_top: bool) -> str:
    names = " or ".join(f"`{name}`" for name in (entry.name, *entry.aliases))
    kind = "a list (regsync) or a mapping (imglife)" if at_top and entry.name == "sync" else _kind(entry.kind)
    instead = "".join(f", or `{name}`" for name in entry.instead)
    meaning = (f"Required{instead}. " if entry.required else "") + entry.doc
    if entry.caution:
        meaning += f" Warned about: {entry.caution}."
    return f"| {names} | {kind} | {_home(entry)} | {_default(entry)} | {meaning} |"


_SHARED: Final = frozenset({"sync", "source", "target", "platforms", "hooks"})


def _home(entry: Field) -> str:
    if entry.home is not None:
        return entry.home.value
    return "both" if entry.name in _SHARED else "transship"


def _default(entry: Field) -> str:
    match entry.default:
        case None:
            return ""
        case bool():
            return f"`{str(entry.default).lower()}`"
        case tuple():
            return "<br>".join(f"`{item}`" for item in entry.default)
        case _:
            return f"`{entry.default}`"


_PLAIN_KINDS: Final[dict[type, str]] = {
    Flag: "`true`, `false`",
    Decimal: "number from 0",
    TextMap: "mapping of texts",
    Record: "mapping",
    ScalarOrRecord: "whole number, or mapping",
    Anything: "anything",
}


def _kind(kind: Kind) -> str:
    match kind:
        case Text():
            return _text_kind(kind)
        case Choice():
            return ", ".join(f"`{option}`" for option in kind.options)
        case Whole():
            return _whole_kind(kind)
        case Duration():
            also = "; `d` is a day" if kind.days else _span(kind)
            return "duration, or nanoseconds" if kind.bare_nanoseconds else f"duration{also}"
        case ListOf():
            return f"list: {_kind(kind.item)}"
        case _:
            return _PLAIN_KINDS[type(kind)]


def _whole_kind(kind: Whole) -> str:
    least = "" if kind.minimum is None else f" from {kind.minimum}"
    return f"whole number{least}" + ("" if kind.maximum is None else f" to {kind.maximum}")


def _span(kind: Duration) -> str:
    if kind.longest is None:
        return ""
    return f" from `{format_duration(kind.shortest)}` to `{format_duration(kind.longest)}`"


def _text_kind(kind: Text) -> str:
    words = [kind.format.value if kind.format is not Format.PLAIN else "text"]
    words += ["template"] if kind.template else []
    words += ["secret"] if kind.secret else []
    return "; ".join(words)


def _exclusive(ways: Iterable[tuple[str, ...]]) -> str:
    return f"One at most of {', '.join(' with '.join(f'`{key}`' for key in way) for way in ways)}."


# Compatibility


def semver_differences() -> str:
    """Return the ranges that are read otherwise than by regsync."""
    rows = ["| range | regsync | transship | only in transship | why |", "|---|---|---|---|---|"]
    rows += [
        " | ".join(
            (
                f"| `{found.text}`".replace("||", r"\|\|"),
                _meaning(found.regsync),
                _meaning(found.transship),
                f"`{found.witness}`",
                f"{found.reason} |",
            )
        )
        for found in SEMVER_DIFFERENCES
    ]
    return "\n".join(rows)


def _meaning(words: str) -> str:
    return f"`{words}`" if words.startswith(("<", ">")) else words


# The story


@dataclass(frozen=True, slots=True)
class _Step:
    """A command of the story, the exit code it must end with, and what happens in the world before."""

    name: str
    arguments: str
    expected: int = 0
    before: Callable[[LayoutStore], Awaitable[None]] | None = None


_STORY_CONFIG: Final = """\
version: 1
state: state.json
sync:
  - source: ocidir://upstream/app      # whatever the vendor publishes ...
    target: ocidir://mirror/app        # ... and where we keep what we approved
    type: repository
    tags:
      allow: ["1\\\\.\\\\d+", stable]
      deny: ["1\\\\.0"]
  - source: ocidir://upstream/tool:latest
    target: ocidir://mirror/tool:latest
    type: image
"""


async def _push(
    store: RegistryWriter, reference: str, version: str, platforms: tuple[Platform, ...] = PLATFORMS
) -> None:
    repository, _, tag = reference.rpartition(":")
    await push_image(store, Repository.layout(repository).tag(tag), version, platforms)


async def _publish(store: LayoutStore) -> None:
    for version in ("1.0", "1.1", "1.2"):
        await _push(store, f"upstream/app:{version}", version)
    await _push(store, "upstream/app:stable", "1.2")
    await _push(store, "upstream/tool:latest", "tool 7", PLATFORMS[:2])


async def _release(store: LayoutStore) -> None:
    await _push(store, "upstream/app:1.3", "1.3")
    await _push(store, "upstream/app:stable", "1.3", PLATFORMS[:2])


async def _meddle(store: LayoutStore) -> None:
    await _push(store, "upstream/app:stable", "1.3 with a late fix", PLATFORMS[:2])
    await _push(store, "mirror/app:1.3", "built on a laptop", PLATFORMS[:1])


_STEPS: Final = (
    _Step("plan", "plan -o plan.json", before=_publish),
    _Step("show", "show plan.json --format markdown"),
    _Step("apply", "apply plan.json"),
    _Step("apply-again", "apply plan.json"),
    _Step("check", "check"),
    _Step("check-red", "check", 2, before=_release),
    _Step("second-plan", "plan -o plan.json --detailed-exitcode", 2),
    _Step("conflict", "apply plan.json", 4, before=_meddle),
    _Step("drift", "drift", 2),
    _Step("third-plan", "plan"),
)


@cache
def story() -> dict[str, str]:
    """Live the story through and return each step's command and output, and the configuration."""
    told = {"configuration": _fenced("yaml", _STORY_CONFIG.strip())}
    with tempfile.TemporaryDirectory(prefix="transship-story-") as name, contextlib.chdir(name):
        folder = Path(name)
        (folder / "transship.yaml").write_text(_STORY_CONFIG, encoding="utf-8")
        for step in _STEPS:
            if step.before is not None:
                asyncio.run(_happen(step.before))
            told[step.name] = _fenced("console", _run(folder, *step.arguments.split(), expected=step.expected))
    return told


async def _happen(event: Callable[[LayoutStore], Awaitable[None]]) -> None:
    async with LayoutStore() as store:
        await event(store)


# Examples of files

_EXAMPLE_CONFIG: Final = """\
sync:
  - source: ocidir://upstream/app:1.0
    target: ocidir://mirror/app:1.0
    type: image
"""
_EXAMPLE_TIME: Final = "2026-01-02T03:04:05Z"
_EXAMPLE_NONCE: Final = "0123456789abcdef0123456789abcdef"
_EXAMPLE_VERSION: Final = "0.1.0"


def plan_example() -> str:
    """Return a small plan file, indented."""
    return _fenced("json", _examples()[0])


def state_example() -> str:
    """Return the state file that applying the example of a plan leaves."""
    return _fenced("json", _examples()[1])


@cache
def _examples() -> tuple[str, str]:
    with tempfile.TemporaryDirectory(prefix="transship-example-") as name, contextlib.chdir(name):
        return asyncio.run(_make_examples(FileStore(Path("state.json"))))


async def _make_examples(states: FileStore) -> tuple[str, str]:
    desired = loads(_EXAMPLE_CONFIG.encode(), file="transship.yaml", environment={})
    circumstances = Circumstances(
        tool_version=_EXAMPLE_VERSION,
        config=ConfigPin(digest=config_digest(desired), dialect=desired.dialect.value),
        state=StatePin(nonce=_EXAMPLE_NONCE),
    )
    async with open_registries() as store:
        await _push(store, "upstream/app:1.0", "1.0", PLATFORMS[:1])
        saved = save(diff(await observe(desired, store), circumstances), created_at=_EXAMPLE_TIME)
        state = begin(states, saved.plan.state, tool_version=_EXAMPLE_VERSION)
        state = remember(states, state, saved, tool_version=_EXAMPLE_VERSION, now=_EXAMPLE_TIME)
        recorder = StateRecorder(
            states, state, plan=saved.digest, tool_version=_EXAMPLE_VERSION, now=lambda: _EXAMPLE_TIME
        )
        await apply(saved.plan, store, recorder=recorder)
    plan = json.dumps(json.loads(encode(saved)), indent=2, ensure_ascii=False)
    return plan, states.path.read_text(encoding="utf-8").strip()


# What is compared with other programs


def peers() -> str:
    """Return the programs that `make peers` builds, with their versions."""
    _see_the_tests()
    from interop.peers import pinned  # noqa: PLC0415 - see `_see_the_tests`

    rows = [f"| {peer.name} | {peer.version} | `{peer.package}` |" for peer in pinned()]
    return "\n".join(["| program | version | Go package |", "|---|---|---|", *rows])


def situations() -> str:
    """Return the table of situations that `make interop` puts both programs into."""
    _see_the_tests()
    from interop.rows import SUBJECTS  # noqa: PLC0415 - see `_see_the_tests`

    sections = [(subject, [_situation(row) for row in rows]) for subject, rows in SUBJECTS.items()]
    head = ["| situation | where | regsync and transship |", "|---|---|---|"]
    return "\n\n".join(f"### {subject}\n\n" + "\n".join([*head, *rows]) for subject, rows in sections)


def _see_the_tests() -> None:
    """Let the situations and what they are filled with be imported; they are not installed."""
    sys.path[:0] = [folder for folder in (str(ROOT), str(ROOT / "tests")) if folder not in sys.path]


def _situation(row: Any) -> str:
    passage = row.passage.strip("| ").replace("|", r"\|").replace(r"\\|", r"\|")
    name = row.name.replace("|", r"\|")
    return f"| {name} | {row.where} | {f'differ: {passage}' if passage else 'agree'} |"


_PARTS: Final[dict[str, Callable[[], str]]] = {
    "commands": commands,
    "limits": limits,
    "fields": fields,
    "semver differences": semver_differences,
    "peers": peers,
    "situations": situations,
    "plan example": plan_example,
    "state example": state_example,
}

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
