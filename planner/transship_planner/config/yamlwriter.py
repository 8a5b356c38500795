"""Writes a document as YAML that the loader reads back as it was."""

from typing import Final

import yaml

from transship_planner.config.digest import Document
from transship_planner.config.scalars import resolve
from transship_registry.presentable import presentable, presentable_lines

_NO_FOLDING: Final = 1 << 30


def to_yaml(document: Document) -> str:
    """Return the document as block YAML, keys in their order."""
    # types-pyyaml gives `width` a type that pyright cannot follow.
    text: str = yaml.dump(  # pyright: ignore[reportUnknownMemberType]
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=_NO_FOLDING
    )
    return presentable_lines(text)  # only in double quotes is there something to spell out, and there it is read back


class _Dumper(yaml.SafeDumper):
    """A dumper that writes out what occurs twice, and quotes what the loader would not read as a text."""

    def ignore_aliases(self, data: object) -> bool:
        """Tell that no value is referred to."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists in mappings, as people write them."""
        super().increase_indent(flow, indentless=False)

    def text(self, text: str) -> yaml.ScalarNode:
        """Represent a text: in quotes where it could mean a number, line by line where it has plain lines."""
        return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) > 1 and all(line and line.isprintable() and line == presentable(line).strip() for line in lines):
        return "|"
    # PyYAML would fold other line breaks, such as U+0085, in single quotes.
    if not text.isprintable() or presentable(text) != text:
        return '"'
    return None if isinstance(resolve(text), str) else "'"


_Dumper.add_representer(str, _Dumper.text)
