"""The page about other tools tells of each of their keys what becomes of it."""

import re
from pathlib import Path

import pytest

from transship_planner.migrate.tables import TABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "migrate.md"
HEADINGS = {"skopeo": "skopeo sync", "dregsy": "dregsy", "image-syncer": "image-syncer"}


@pytest.mark.parametrize("tool", TABLES)
def test_every_key_of_a_tool_has_a_row(tool: str) -> None:
    """The tables of the tool's section name every key that its reader knows, in their first column."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {HEADINGS[tool]}\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    told = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    assert {field.name for table in TABLES[tool] for field in table.fields} - told == set()
