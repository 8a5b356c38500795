"""Problems of one cause are one line: what is wrong, and how many tags of which entries were not looked at for it."""

import pytest

from transship_planner.plans.plan import Action, Change, ConfigPin, Plan, Problem
from transship_planner.render.causes import as_causes, causes
from transship_planner.render.findings import as_findings, render_findings
from transship_planner.render.markdown import render_markdown
from transship_planner.render.text import render_text
from transship_registry.digest import Digest
from transship_registry.reference import Reference

DOWN = "connect to reg.io: connection refused; check that the registry runs there, its name and its port"


def problems(entry: str, *references: str, message: str = DOWN, line: int = 3) -> list[Problem]:
    return [Problem(entry=entry, reference=reference, message=message, line=line) for reference in references]


def plan(*found: Problem) -> Plan:
    pin = ConfigPin(digest=Digest.of(b""), dialect="regsync")
    return Plan(format_version=1, tool_version="0", config=pin, problems=found)


TAGS = [f"reg.io:5000/app:{number}" for number in range(4)]


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (problems("app", TAGS[0]), f"app (line 3) {TAGS[0]}: {DOWN}"),
        (problems("app", *TAGS), f"{DOWN}; not looked at: 4 tags of app (line 3)"),
        (problems("app", *TAGS, *TAGS), f"{DOWN}; not looked at: 4 tags of app (line 3)"),
        (problems("", *TAGS, line=0), f"{DOWN}; not looked at: 4 tags"),
        (
            problems("app", *TAGS[:2]) + problems("db", "reg.io/db@sha256:00", line=9),
            f"{DOWN}; not looked at: 2 tags of app (line 3), 1 tag of db (line 9)",
        ),
        (
            problems("all", "reg.io:5000/app", "reg.io:5000", "ocidir://there", *TAGS[:1]),
            f"{DOWN}; not looked at: 1 tag and reg.io:5000/app and reg.io:5000 and ocidir://there of all (line 3)",
        ),
        (
            problems("all", *(f"reg.io/app{number}" for number in range(4))),
            f"{DOWN}; not looked at: 4 repositories of all (line 3)",
        ),
        (
            [each for number in range(4) for each in problems(f"e{number}", TAGS[number])],
            f"{DOWN}; not looked at: " + ", ".join(f"1 tag of e{number} (line 3)" for number in range(4)),
        ),
        (
            [each for number in range(9) for each in problems(f"e{number}", *(f"r.io/e{number}:{t}" for t in "ab"))],
            f"{DOWN}; not looked at: 2 tags of e0 (line 3), 2 tags of e1 (line 3), 2 tags of e2 (line 3), "
            "12 tags of 6 other entries",
        ),
    ],
)
def test_a_cause_is_one_line(found: list[Problem], line: str) -> None:
    """Which names what cannot be counted, as long as that is not much."""
    assert list(map(str, causes(found))) == [line]


def test_what_differs_stays_apart() -> None:
    """In the order of the problems; also what is wrong with one tag alone."""
    other = problems("app", "reg.io/app:9", message="GET manifest reg.io/app:9: HTTP 404")
    found = [*problems("app", TAGS[0]), *other, *problems("app", *TAGS[1:])]
    assert list(map(str, causes(found))) == [
        f"{DOWN}; not looked at: 4 tags of app (line 3)",
        "app (line 3) reg.io/app:9: GET manifest reg.io/app:9: HTTP 404",
    ]


def test_all_views_of_a_plan_say_it_once() -> None:
    """And count what they say; as data, the tags are there one by one."""
    made, line = plan(*problems("app", *TAGS)), f"{DOWN}; not looked at: 4 tags of app (line 3)"
    assert render_text(made) == f"problem: {line}\nPlan: 0 unchanged, 1 problem.\n"
    assert render_markdown(made) == f"### Plan: 0 unchanged, 1 problem.\n\n- **problem** {line}\n"
    assert render_findings(made) == f"problem: {line}\nCannot tell: 0 in sync, 1 problem.\n"
    document = as_findings(made)
    assert [each["reference"] for each in document["problems"]] == TAGS
    assert document["causes"] == as_causes(made.problems) == [{"message": DOWN, "problems": 4, "text": line}]


def test_a_check_counts_causes_beside_what_is_out_of_sync() -> None:
    """As its lines are counted."""
    change = Change(
        action=Action.CREATE,
        entry="app",
        source=Reference.parse("src.io/app:1"),
        target=Reference.parse("dst.io/app:1"),
        reason="the target tag does not exist",
    )
    made = Plan(
        format_version=1,
        tool_version="0",
        config=ConfigPin(digest=Digest.of(b""), dialect="regsync"),
        changes=(change,),
        problems=tuple(problems("app", *TAGS)),
    )
    assert render_findings(made).splitlines()[-1] == "Out of sync: 1 tag to change, 0 in sync, 1 problem."
