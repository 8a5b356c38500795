"""An entry with several `targets` is read as one entry for each of them."""

from dataclasses import replace

from transship_planner.config.problems import Problems
from transship_planner.config.section import Section


def for_each_target(entry: Section, problems: Problems) -> tuple[Section, ...]:
    """Return the entry once for each target, as if each were its `target`; messages name them as they are written.

    Nothing is left, and an error noted, when the list is empty.
    """
    if "targets" not in entry or "target" in entry:  # having both has been refused
        return (entry,)
    if not entry.items("targets"):
        problems.error(entry.where("targets"), f"{entry.at('targets')} names no target")
    others = {key: value for key, value in entry.values.items() if key != "targets"}
    return tuple(replace(entry, values={**others, "target": target}) for target in entry.items("targets"))
