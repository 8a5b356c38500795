"""Turns a configuration file of another tool into one of transship's: text in, text and notes out."""

import re
from dataclasses import dataclass
from typing import Final

from transship_planner.config.loader import loads
from transship_planner.config.problems import Problems
from transship_planner.config.yamltree import MapNode, Node, parse_yaml, shape
from transship_planner.errors import ConfigError, Finding, Mark
from transship_planner.migrate.draft import Draft, Item
from transship_planner.migrate.dregsy import DregsyReader
from transship_planner.migrate.guessing import guess
from transship_planner.migrate.imagesyncer import ImageSyncerReader
from transship_planner.migrate.nodes import as_written
from transship_planner.migrate.skopeo import SkopeoReader
from transship_planner.migrate.tools import Tool
from transship_planner.migrate.writing import Written, environment_of, write
from transship_registry.errors import InvalidReferenceError
from transship_registry.reference import Repository, without_login

_TAG_OR_DIGEST: Final = re.compile(r"(?::[^/:@]+)?(?:@.*)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the file does not say.

    `tool` is None when it is to be guessed; `to` is the destination, which skopeo's files lack and image-syncer's may;
    `scoped` is skopeo's option; `logins` are image-syncer's other file and its name.
    """

    tool: Tool | None = None
    to: str = ""
    scoped: bool = False
    logins: tuple[bytes, str] | None = None


@dataclass(frozen=True, slots=True)
class Migration:
    """The new file, how many entries it has, and everything that differs or was left out, in the old file's order.

    `variables` are the environment variables that the new file asks for.
    """

    tool: Tool
    text: str
    entries: int
    notes: tuple[Finding, ...]
    variables: tuple[str, ...]


def migrate(data: bytes, file: str, options: Options) -> Migration:
    """Turn a file into transship's; `file` is what messages call it.

    Raises `ConfigError` with all that is wrong. What is returned has been loaded by transship's own loader.
    """
    problems = Problems()
    root = _mapping(data, file, problems)
    tool = options.tool or guess(root, file)
    _check_options(tool, options, file)
    draft = Draft(problems)
    _read(root, tool, options, draft)
    _check_targets(draft)
    problems.check()
    written = write(draft, file=file, format_name=tool.format_name)
    entries, doubts = _load(written, file)
    notes = tuple(sorted({*written.notes, *problems.warnings, *doubts}))
    return Migration(tool, written.text, entries, notes, written.variables)


def _mapping(data: bytes, file: str, problems: Problems) -> MapNode:
    root = parse_yaml(data, file, problems)
    if isinstance(root, MapNode):
        node: Node = as_written(root)
        assert isinstance(node, MapNode)  # numbers are put in quotes, and nothing else is changed
        return node
    found = "nothing" if root is None else shape(root)
    mark = Mark(file, 1, 1) if root is None else root.mark
    raise ConfigError(*problems.errors, Finding(mark, f"expected a mapping, found {found}"))


def _check_options(tool: Tool, options: Options, file: str) -> None:
    """Refuse options that the tool's files have no use for, and ask for the one that they need."""
    problems = Problems()
    start = Mark(file, 1, 1)
    if tool is Tool.SKOPEO and not options.to:
        message = "skopeo sync's files do not say where to; give --to REGISTRY/PREFIX, the last argument of skopeo sync"
        problems.error(start, message)
    if tool is Tool.DREGSY and options.to:
        problems.error(start, "dregsy's files say where to; --to is for skopeo and image-syncer")
    if tool is not Tool.SKOPEO and options.scoped:
        problems.error(start, f"--scoped is an option of skopeo sync, and this file is in {tool.format_name}")
    if tool is not Tool.IMAGE_SYNCER and options.logins:
        problems.error(start, f"--auth is an option of image-syncer, and this file is in {tool.format_name}")
    if options.to:
        _check_destination(options.to, start, problems)
    problems.check()


def _check_destination(to: str, mark: Mark, problems: Problems) -> None:
    try:
        Repository.parse(f"{to.rstrip('/')}/repository")
    except InvalidReferenceError:
        message = (
            f"--to: expected REGISTRY or REGISTRY/PREFIX, without transport, tag or digest, found {without_login(to)!r}"
        )
        problems.error(mark, message)


def _read(root: MapNode, tool: Tool, options: Options, draft: Draft) -> None:
    to = options.to.rstrip("/")
    match tool:
        case Tool.SKOPEO:
            SkopeoReader(draft, to, options.scoped).read(root)
        case Tool.DREGSY:
            DregsyReader(draft).read(root)
        case Tool.IMAGE_SYNCER:
            reader = ImageSyncerReader(draft, to)
            if options.logins:
                reader.read_logins(_mapping(*options.logins, draft.problems), "")
            reader.read(root)


def _check_targets(draft: Draft) -> None:
    """Refuse two images for one tag, and tell of two repositories that are mirrored into one."""
    images: dict[str, Item] = {}
    repositories: dict[str, Item] = {}
    for item in draft.items:
        source, target = (str(item.fields.get(key, "")) for key in ("source", "target"))
        if not item.fields or item.fields["type"] == "registry":
            continue
        if item.fields["type"] == "image" and images.setdefault(target, item).fields["source"] != source:
            message = (
                f"{item.origin} and {_other(images[target])} both write {target}, from different images; remove one"
            )
            draft.problems.error(item.mark, message)
        first = repositories.setdefault(_repository(target), item)
        if _repository(str(first.fields["source"])) != _repository(source):
            message = (
                f"{item.origin} and {_other(first)} are both mirrored into {_repository(target)}; "
                "a tag that both have is refused when it is planned"
            )
            draft.note(item.mark, message)


def _other(item: Item) -> str:
    return f"{item.origin} (line {item.mark.line})"


def _repository(image: str) -> str:
    return _TAG_OR_DIGEST.sub("", image)


def _load(written: Written, file: str) -> tuple[int, tuple[Finding, ...]]:
    """Load the new file; return how many entries it has and what is doubtful about it, both told of the old file."""
    environment = environment_of(written.variables)
    try:
        desired = loads(written.text.encode(), file=file, environment=environment)
    except ConfigError as error:
        raise ConfigError(*_in_old_file(error.findings, written)) from None
    return len(desired.entries), _in_old_file(desired.warnings, written)


def _in_old_file(findings: tuple[Finding, ...], written: Written) -> tuple[Finding, ...]:
    return tuple(
        Finding(written.places[finding.mark.line - 1], f"of what this becomes: {finding.message}")
        for finding in findings
    )
