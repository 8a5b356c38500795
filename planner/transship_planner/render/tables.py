"""Tables for terminals and for Markdown: one line a row, whatever the cells say."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from transship_registry.presentable import presentable


def table(
    rows: Iterable[Sequence[str]],
    headers: Sequence[str],
    *,
    markdown: bool = False,
    alignments: Sequence[str] | None = None,
) -> list[str]:
    """Return the lines of a table; columns are aligned to the left unless `alignments` say otherwise.

    Nothing is read as a number: the cycle 3.20 would be shown as 3.2.
    """
    cells = [tuple(map(presentable, row)) for row in rows]
    if markdown:  # also within code (GFM § Tables)
        cells = [tuple(text.replace("|", "\\|") for text in row) for row in cells]
    form = "github" if markdown else "simple"
    text = tabulate(cells, headers=headers, tablefmt=form, colalign=alignments, disable_numparse=True)
    return text.split("\n")
