"""How far a run is, on a terminal: bytes that move, and changes that have ended."""

import io

import msgspec
from rich.console import Console
from rich.progress import Progress

from transship.progress import Bars
from transship_executor.outcome import Result, Status, Traffic
from transship_planner.plans.plan import Action, Change, ConfigPin, Forecast, Plan, Version
from transship_registry.digest import Digest
from transship_registry.reference import Reference

DIGEST = Digest.of(b"content")


def change(tag: str, transfer: int, action: Action = Action.CREATE) -> Change:
    """Return a change that was foretold to transfer so much."""
    return Change(
        action=action,
        entry="sync[0]",
        source=Reference.parse(f"src.io/app:{tag}"),
        target=Reference.parse(f"dst.io/app:{tag}"),
        reason="the target tag does not exist",
        after=Version(digest=DIGEST, media_type="application/vnd.oci.image.manifest.v1+json", size=1),
        transfer=transfer,
    )


FIRST, SECOND = change("1", 100), change("2", 50, Action.REFRESH)
PLAN = Plan(
    format_version=1,
    tool_version="0",
    config=ConfigPin(digest=Digest.of(b""), dialect="regsync"),
    changes=(FIRST, SECOND),
    forecast=Forecast(transfer=150),
)


def test_the_whole_is_done_when_all_changes_are_though_blobs_were_mounted_or_sent_by_another() -> None:
    """The bar of the whole never goes back, nor beyond its end, and a bar of a change goes when it has ended."""
    console = Console(file=io.StringIO(), width=160)
    with Progress(console=console, transient=True) as progress:
        bars = Bars(progress, PLAN)
        seen: list[tuple[float, int]] = []

        def look() -> None:
            seen.append((progress.tasks[0].completed, len(progress.tasks) - 1))

        for each in PLAN.changes:
            bars.change_started(each)
        look()
        bars.bytes_sent(SECOND, 120)
        look()
        bars.change_ended(Result(FIRST, Status.DONE, traffic=Traffic(blobs_mounted=2, manifests=1)))
        look()
        bars.bytes_sent(SECOND, 120)
        look()
        bars.change_ended(Result(SECOND, Status.FAILED, "403", Traffic(sent=120, blobs_sent=1)))
        look()
    assert seen == [(0, 2), (120, 2), (120, 1), (150, 1), (150, 0)]
    assert isinstance(console.file, io.StringIO)
    assert f"done: dst.io/app:1 → {DIGEST.short} (0 B sent)\n" in console.file.getvalue()
    assert f"failed: dst.io/app:2 = {DIGEST.short} (see the summary)\n" in console.file.getvalue()


def test_a_plan_that_transfers_nothing_has_a_whole_all_the_same() -> None:
    """As when all is mounted."""
    with Progress(console=Console(file=io.StringIO()), transient=True) as progress:
        bars = Bars(progress, msgspec.structs.replace(PLAN, forecast=Forecast()))
        bars.change_started(FIRST)
        bars.bytes_sent(FIRST, 10)
        assert progress.tasks[0].completed == 0
