"""Asking for products: each once, only those that entries name, and the data file where nobody else answers."""

import asyncio
from dataclasses import replace
from datetime import date

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.desired import Comparison, Desired, LifecycleRule
from transship_planner.lifecycle.judge import Judge
from transship_planner.lifecycle.sources import CycleSource, DataFile, WithFallback, make_judge
from transship_planner.observation.observe import observe, select
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, LifecycleStatus, Plan
from transship_planner.plans.planfile import decode, encode, save
from transship_planner.render.findings import as_findings, render_findings
from transship_planner.render.markdown import render_markdown
from transship_planner.render.text import render_text
from transship_registry.digest import Digest
from transship_registry.endoflife.cycles import Cycle, ProductCycles
from transship_registry.errors import NotFoundError

TODAY = date(2026, 1, 1)
FOUND = ProductCycles((Cycle("3.20", True), Cycle("3.21", date(2026, 1, 11))))


class Source:
    """A source that knows some products and counts how often it is asked."""

    def __init__(self, **known: ProductCycles) -> None:
        self.known = known
        self.asked: list[str] = []

    async def get_cycles(self, product: str) -> ProductCycles:
        self.asked.append(product)
        if product not in self.known:
            raise NotFoundError("GET cycles", f"of {product}", "HTTP 404 Not Found", status=404)
        return self.known[product]


def entry(product: str | None, tag: str = "3.20") -> wishes.Entry:
    made = wishes.image(f"src.io/app:{tag}", f"dst.io/app:{tag}")
    return replace(made, lifecycle=LifecycleRule(product=product)) if product else made


def judge(desired: Desired, source: CycleSource) -> Judge | None:
    return asyncio.run(make_judge(desired, source, today=TODAY))


def data_file(text: str | None) -> DataFile:
    def read(path: str) -> bytes:
        if text is None:
            raise FileNotFoundError(2, "No such file or directory", path)
        return text.encode()

    return DataFile("eol.yaml", read)


def test_each_product_is_asked_for_once() -> None:
    """However many entries name it; the others are not asked for."""
    source = Source(alpine=FOUND, go=FOUND)
    desired = wishes.desired(entry("go"), entry("alpine", "3.21"), entry("alpine"), entry(None, "x"))
    made = judge(desired, source)
    assert made == Judge(TODAY, 30, known={"alpine": FOUND, "go": FOUND})
    assert source.asked == ["alpine", "go"]


def test_nothing_is_asked_without_a_lifecycle() -> None:
    """A configuration that names no product contacts nobody because of it."""
    source = Source()
    assert judge(wishes.desired(entry(None)), source) is None
    assert source.asked == []


def test_a_product_that_nobody_knows_is_missing() -> None:
    """With the reason; the others are judged."""
    made = judge(wishes.desired(entry("golang"), entry("alpine", "3.21")), Source(alpine=FOUND))
    assert made == Judge(
        TODAY, 30, known={"alpine": FOUND}, missing={"golang": "GET cycles of golang: HTTP 404 Not Found"}
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "eol.yaml:1:1: the end-of-life data cannot be read: No such file or directory"),
        ("alpin: []", "eol.yaml:1:1: there is no product 'alpine'; did you mean 'alpin'?"),
        ("alpine: x", "eol.yaml:1:9: alpine: expected a list of cycles, found the string 'x'"),
        ("alpine: x\ngo: y\n", "eol.yaml:1:9: alpine: expected a list of cycles, found the string 'x' (and 1 more)"),
    ],
)
def test_a_file_that_does_not_help(text: str | None, reason: str) -> None:
    """Why nothing is known is said in one line, with the place."""
    made = judge(wishes.desired(entry("alpine")), data_file(text))
    assert made == Judge(TODAY, 30, missing={"alpine": reason})


def test_the_file_answers_where_the_source_does_not() -> None:
    """With a problem that says so; what the file does not know either keeps the reason of the source."""
    desired = wishes.desired(entry("alpine"), entry("go", "3.21"))
    made = judge(desired, WithFallback(Source(), data_file("alpine: [{cycle: '3.20', eol: true}]")))
    problem = "GET cycles of alpine: HTTP 404 Not Found; what eol.yaml says is used"
    assert made == Judge(
        TODAY,
        30,
        known={"alpine": ProductCycles((Cycle("3.20", True),), problem)},
        missing={"go": "GET cycles of go: HTTP 404 Not Found"},
    )


def test_the_file_is_not_read_when_the_source_answers() -> None:
    """It may be broken, or not there."""
    made = judge(wishes.desired(entry("alpine")), WithFallback(Source(alpine=FOUND), data_file("[")))
    assert made == Judge(TODAY, 30, known={"alpine": FOUND})


def planned(*, missing: bool = False) -> Plan:
    """Plan three tags of a product: one in sync by digest, one known to exist by the tag list alone, one absent."""
    world = MemoryRegistry()
    for tag in ("3.20.1", "3.20.2", "3.21.1"):
        world.seed(f"src.io/app:{tag}", images.single(tag))
    for tag in ("3.20.1", "3.20.2"):
        world.seed(f"dst.io/app:{tag}", images.single(tag))
    rule = LifecycleRule(product="alpine")
    desired = wishes.desired(
        replace(wishes.repository("src.io/app", "dst.io/app", allow=("3.20.1", "3.21.1")), lifecycle=rule),
        replace(
            wishes.repository("src.io/app", "dst.io/app", allow=("3.20.2",), comparison=Comparison.EXISTENCE),
            lifecycle=rule,
        ),
    )
    circumstances = Circumstances(
        tool_version="0",
        config=ConfigPin(digest=Digest.of(b""), dialect="regsync"),
        judge=judge(desired, Source(alpine=FOUND)),
    )
    return diff(asyncio.run(observe(desired, world, missing=missing)), circumstances)


@pytest.mark.parametrize("missing", [False, True])
def test_a_plan_tells_of_every_mirrored_tag(missing: bool) -> None:
    """Those in sync too, were they compared or only listed; and the change carries its own."""
    made = planned(missing=missing)
    assert [(str(tag.target), tag.entry, tag.lifecycle.status) for tag in made.lifecycles] == [
        ("dst.io/app:3.20.1", "sync[0]", LifecycleStatus.ENDED),
        ("dst.io/app:3.20.2", "sync[1]", LifecycleStatus.ENDED),
        ("dst.io/app:3.21.1", "sync[0]", LifecycleStatus.SOON),
    ]
    (change,) = made.changes
    assert change.lifecycle == made.lifecycles[2].lifecycle
    assert made.unchanged.count == 2
    assert made.warnings == (
        "sync[0]: alpine 3.20 has ended (dst.io/app:3.20.1)",
        "sync[1]: alpine 3.20 has ended (dst.io/app:3.20.2)",
        "sync[0]: alpine 3.21 ends on 2026-01-11, in 10 days (dst.io/app:3.21.1)",
    )


def test_a_plan_file_keeps_lifecycles() -> None:
    """What is written is read again."""
    saved = save(planned(), created_at="2026-01-01T00:00:00Z")
    assert decode(encode(saved), "plan.json").plan == saved.plan


def test_every_view_shows_the_table() -> None:
    """Text, Markdown and a check, as text and as data."""
    made = planned()
    row = "dst.io/app:3.21.1  alpine     3.21     2026-01-11           10  soon\n"
    assert row in render_text(made)
    assert row in render_findings(made)
    markdown = render_markdown(made)
    assert "<details><summary>End of life: 3 tags, 1 soon, 2 ended</summary>\n\n| target" in markdown
    assert "| `dst.io/app:3.21.1` | alpine    | 3.21    | 2026-01-11 |          10 | soon     |" in markdown
    assert as_findings(made)["lifecycles"][2] == {
        "entry": "sync[0]",
        "target": "dst.io/app:3.21.1",
        "product": "alpine",
        "cycle": "3.21",
        "eol": "2026-01-11",
        "days_left": 10,
        "status": "soon",
        "note": "",
    }


def test_selecting_asks_the_sources_tag_lists_only() -> None:
    """Neither a target nor a digest is asked for, whatever the entries compare."""
    world = MemoryRegistry()
    world.seed("src.io/app:1", images.single("1"))
    world.seed("dst.io/app:1", images.single("1"))
    listed = wishes.repository("src.io/app", "dst.io/app", comparison=Comparison.EXISTENCE)
    selected = asyncio.run(select(wishes.desired(listed, wishes.image("src.io/one:2", "dst.io/one:2")), world))
    assert [str(wish.target) for wish in selected.wishes] == ["dst.io/app:1", "dst.io/one:2"]
    assert world.calls == [("list_tags", "src.io/app")]


def test_an_entry_that_another_one_agrees_with_keeps_its_lifecycle() -> None:
    """Also when the other one, which comes first, has none; a tag that is passed over is not mirrored."""
    world = MemoryRegistry()
    world.seed("src.io/app:3.20", images.single("one"))
    passed_over = wishes.image("src.io/app:3.20", "dst.io/other:3.20", media_types=("application/x-none",))
    rule = LifecycleRule(product="alpine")
    desired = wishes.desired(entry(None), entry("alpine"), replace(passed_over, lifecycle=rule))
    circumstances = Circumstances(
        tool_version="0",
        config=ConfigPin(digest=Digest.of(b""), dialect="regsync"),
        judge=judge(desired, Source(alpine=FOUND)),
    )
    made = diff(asyncio.run(observe(desired, world)), circumstances)
    assert [(tag.entry, str(tag.target)) for tag in made.lifecycles] == [("sync[1]", "dst.io/app:3.20")]
    assert "sync[1]: alpine 3.20 has ended (dst.io/app:3.20)" in made.warnings
