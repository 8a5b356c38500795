"""The file with end-of-life data: a YAML mapping from products to lists of cycles, as imglife has it (semantics A8)."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from transship_planner.config.problems import Problems, quote
from transship_planner.config.scalarkinds import found
from transship_planner.config.scalars import resolve
from transship_planner.config.yamltree import ListNode, MapNode, Node, ScalarNode, parse_yaml
from transship_registry.endoflife.cycles import Cycle

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_WORDS: Final = frozenset({"y", "yes", "n", "no", "on", "off", "true", "false", "null"})
"""What YAML 1.1 does not read as a text."""


def parse_data(data: bytes, file: str) -> Mapping[str, tuple[Cycle, ...]]:
    """Read the cycles of each product; raises `ConfigError` with all that is wrong.

    The name of a cycle is the text that stands there, so that an unquoted 3.20 is not 3.2. Members that are not used
    may be anything, since the file may hold all that endoflife.date tells.
    """
    problems = Problems()
    root = parse_yaml(data, file, problems)
    products = dict(_products(root, problems)) if root is not None else {}
    problems.check()
    return products


def data_text(products: Mapping[str, tuple[Cycle, ...]], *, origin: str) -> str:
    """Return the text of a file that holds these products; equal data gives equal text."""
    lines = [f"# End-of-life data from {origin}, written by `transship eol update`."]
    for product, cycles in sorted(products.items()):
        lines.append(f"{_key(product)}:" if cycles else f"{_key(product)}: []")
        for cycle in cycles:
            first, *others = _members(cycle)
            lines += [f"  - {first}", *(f"    {member}" for member in others)]
    return "\n".join(lines) + "\n"


def _products(root: Node, problems: Problems) -> Iterator[tuple[str, tuple[Cycle, ...]]]:
    if not isinstance(root, MapNode):
        message = f"expected a mapping from products to lists of cycles, found {found(root, show=True)}"
        problems.error(root.mark, message)
        return
    for member in root.members:
        if isinstance(member.value, ListNode):
            yield member.key, tuple(_cycles(member.value, member.key, problems))
        else:
            message = f"{member.key}: expected a list of cycles, found {found(member.value, show=True)}"
            problems.error(member.value.mark, message)


def _cycles(node: ListNode, path: str, problems: Problems) -> Iterator[Cycle]:
    lines: dict[str, int] = {}
    for index, item in enumerate(node.items):
        cycle = _cycle(item, f"{path}[{index}]", problems)
        if cycle is None:
            continue
        if line := lines.get(cycle.name):
            problems.error(item.mark, f"{path}[{index}]: the cycle {cycle.name!r} is on line {line}, too; keep one")
        else:
            lines[cycle.name] = item.mark.line
            yield cycle


def _cycle(node: Node, path: str, problems: Problems) -> Cycle | None:
    if not isinstance(node, MapNode):
        problems.error(node.mark, f"{path}: expected a mapping, found {found(node, show=True)}")
        return None
    members = {member.key: member.value for member in node.members}
    name = members.get("cycle")
    if not isinstance(name, ScalarNode) or not name.text:
        where = name or node
        problems.error(where.mark, f"{path} needs the name of its cycle under 'cycle'")
        return None
    eol = _eol(members.get("eol"), f"{path}.eol", problems)
    return Cycle(name.text, eol, _text(members.get("latest")), _text(members.get("latestReleaseDate")))


def _eol(node: Node | None, path: str, problems: Problems) -> date | bool:
    """Read a date or a boolean; nothing means that no end is set."""
    if isinstance(node, ScalarNode):
        meaning = resolve(node.text) if node.plain else node.text
        if isinstance(meaning, bool) or meaning is None:
            return meaning or False
        if _DATE.fullmatch(node.text):
            try:
                return date.fromisoformat(node.text)
            except ValueError:
                problems.error(node.mark, f"{path}: there is no day {quote(node.text)}")
                return False
    if node is not None:
        message = f'expected a date such as "2026-04-01", true or false, found {found(node, show=True)}'
        problems.error(node.mark, f"{path}: {message}")
    return False


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, ScalarNode) else ""


def _key(product: str) -> str:
    return product if _PLAIN_KEY.fullmatch(product) and product.lower() not in _WORDS else _quoted(product)


def _members(cycle: Cycle) -> Iterator[str]:
    yield f"cycle: {_quoted(cycle.name)}"
    yield f"eol: {str(cycle.eol).lower() if isinstance(cycle.eol, bool) else _quoted(cycle.eol.isoformat())}"
    if cycle.latest:
        yield f"latest: {_quoted(cycle.latest)}"
    if cycle.latest_date:
        yield f"latestReleaseDate: {_quoted(cycle.latest_date)}"


def _quoted(text: str) -> str:
    """Return a text in double quotes, as imglife's file has them (YAML 1.2 §7.3.1)."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
