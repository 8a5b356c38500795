"""Many tags, many images, large blobs and slow neighbours: what the limits of a host promise, counted at the host."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support import images, large, wishes
from support.http_client import FakeTime, blob_of, plain
from support.registry_server.faults import FailRequests, SlowResponses
from support.registry_server.options import Options
from support.registry_server.server import RegistryServer
from transship_executor.apply import apply
from transship_executor.outcome import Outcome, Result, Status
from transship_executor.watching import Silent
from transship_planner.observation.observe import observe
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin
from transship_registry.api.client import HttpRegistry
from transship_registry.digest import Digest
from transship_registry.reference import Repository

CIRCUMSTANCES = Circumstances(tool_version="0", config=ConfigPin(digest=Digest.of(b""), dialect="regsync"))
MIB = 1 << 20
HUGE = 5 << 30
MOST_MEMORY = 150 * MIB


@pytest.mark.parametrize(("page_size", "pages"), [(None, 1), (100, 100), (1000, 10)])
def test_ten_thousand_tags_are_listed_page_by_page(page_size: int | None, pages: int) -> None:
    """Every tag once, in the registry's order, and one request for each page."""
    with RegistryServer(Options(page_size=page_size)) as server:
        digest = server.store.add_image("team/app", None, images.single())
        names = [f"v{number:05}" for number in range(10_000)]
        for name in names:
            server.store.set_tag("team/app", name, digest)

        async def scenario() -> None:
            async with HttpRegistry({server.host: plain(server)}) as client:
                found = await client.list_tags(Repository.parse(f"{server.host}/team/app"))
            assert found.tags == tuple(names)
            assert found.complete

        asyncio.run(scenario())
        assert server.requests.count("GET", r"/tags/list") == len(server.requests) == pages


class Order(Silent):
    """Keeps the targets in the order in which they were done."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def change_ended(self, result: Result) -> None:
        """Note the target."""
        self.ended.append(result.change.target.repository.path)


def mirror(
    servers: Sequence[RegistryServer],
    *entries: wishes.Entry,
    concurrent: int,
    at_once: int = 64,
    watcher: Silent | None = None,
    fake: FakeTime | None = None,
) -> Outcome:
    """Plan and apply, as a run of the program does, and give up after ten minutes: then it is stuck."""

    async def scenario() -> Outcome:
        settings = {server.host: plain(server, concurrent_requests=concurrent) for server in servers}
        timing = fake.timing if fake else None
        async with asyncio.timeout(600), HttpRegistry(settings, timing=timing) as client:
            observed = await observe(wishes.desired(*entries), client)
            assert observed.troubles == ()
            plan = diff(observed, CIRCUMSTANCES)
            return await apply(plan, client, images_at_once=at_once, watcher=watcher)

    return asyncio.run(scenario())


def publish(server: RegistryServer, repository: str, count: int, *, size: int = 2000) -> None:
    for number in range(count):
        image = images.single(f"{repository} {number}", layers=1, size=size)
        server.store.add_image(repository, f"v{number}", image)


def all_done(outcome: Outcome, count: int) -> None:
    assert [result.message for result in outcome.results if result.status is not Status.DONE] == []
    assert outcome.count(Status.DONE) == count


def slow_until_in_flight(server: RegistryServer, count: int) -> SlowResponses:
    """Answer HEAD only when as many requests are in flight, so that a slow machine uses a limit as a fast one does."""
    return SlowResponses(methods=("HEAD",), seconds=60, released=lambda: server.requests.in_flight_max >= count)


@pytest.mark.slow
@pytest.mark.parametrize("concurrent", [3, 16])
def test_two_hundred_images_stay_within_the_limits_of_both_hosts(concurrent: int) -> None:
    """The limit is used, and never exceeded, whatever runs at once: HEADs, downloads, uploads."""
    with RegistryServer() as source, RegistryServer() as target:
        publish(source, "team/app", 200)
        for server in (source, target):
            server.faults.add(slow_until_in_flight(server, concurrent))
        entry = wishes.repository(f"{source.host}/team/app", f"{target.host}/mirror/app")
        all_done(mirror([source, target], entry, concurrent=concurrent), 200)
        assert source.requests.in_flight_max == target.requests.in_flight_max == concurrent
        assert target.store.tags("mirror/app") == source.store.tags("team/app")
        target.store.assert_complete()


@pytest.mark.parametrize("mounts", [True, False], ids=["mounted", "sent"])
@pytest.mark.parametrize("concurrent", [1, 3])
def test_a_registry_that_is_source_and_target_stays_within_its_limit(*, mounts: bool, concurrent: int) -> None:
    """Even one slot is enough for all that copying takes."""
    with RegistryServer(Options(mounts=mounts)) as server:
        publish(server, "team/app", 60)
        server.faults.add(slow_until_in_flight(server, concurrent))
        entry = wishes.repository(f"{server.host}/team/app", f"{server.host}/mirror/app")
        all_done(mirror([server], entry, concurrent=concurrent), 60)
        assert server.requests.in_flight_max == concurrent
        assert bool(server.requests.count("GET", r"/blobs/")) is not mounts
        server.store.assert_complete()


@pytest.mark.parametrize("concurrent", [1, 3])
def test_large_blobs_within_one_registry_take_two_requests_a_slot(concurrent: int) -> None:
    """A blob that must be sent back where it comes from is read and written at the same time, in one slot."""
    with RegistryServer(Options(mounts=False)) as server:
        publish(server, "team/app", 6, size=3 * MIB)
        entry = wishes.repository(f"{server.host}/team/app", f"{server.host}/mirror/app")
        all_done(mirror([server], entry, concurrent=concurrent), 6)
        assert server.requests.in_flight_max <= 2 * concurrent
        server.store.assert_complete()


@pytest.mark.parametrize("concurrent", [1, 3])
def test_copies_in_both_directions_do_not_wait_for_each_other(concurrent: int) -> None:
    """Two registries mirrored into each other, all slots of both full of uploads: one request more gets through."""
    with RegistryServer() as one, RegistryServer() as two:
        for server, name in ((one, "from/one"), (two, "from/two")):
            publish(server, name, 12, size=2 * MIB)
        entries = (
            wishes.repository(f"{one.host}/from/one", f"{two.host}/from/one"),
            wishes.repository(f"{two.host}/from/two", f"{one.host}/from/two"),
        )
        all_done(mirror([one, two], *entries, concurrent=concurrent), 24)
        assert one.store.snapshot() == two.store.snapshot()
        for server in (one, two):
            assert server.requests.in_flight_max <= concurrent + 1
            server.store.assert_complete()


def test_a_slow_registry_does_not_slow_another_one() -> None:
    """With enough images at once, those of a quick registry are all done before the first of a slow one."""
    with RegistryServer() as slow, RegistryServer() as quick, RegistryServer() as target:
        publish(slow, "slow/app", 2)
        publish(quick, "quick/app", 6)
        order = Order()
        entries = (
            wishes.repository(f"{slow.host}/slow/app", f"{target.host}/slow/app"),
            wishes.repository(f"{quick.host}/quick/app", f"{target.host}/quick/app"),
        )
        # It answers when the quick one's are done, or not before the run is given up as stuck.
        slow.faults.add(SlowResponses(seconds=3600, path=r"/blobs/", released=lambda: len(order.ended) >= 6))
        all_done(mirror([slow, quick, target], *entries, concurrent=8, watcher=order), 8)
        assert order.ended == ["quick/app"] * 6 + ["slow/app"] * 2


def test_a_registry_that_fails_takes_nothing_from_the_others() -> None:
    """Its images fail with their own message, all others arrive, and only it is waited for."""
    time_held = FakeTime()
    with RegistryServer() as failing, RegistryServer() as sound, RegistryServer() as target:
        publish(failing, "failing/app", 3)
        publish(sound, "sound/app", 10)
        failing.faults.add(FailRequests(status=503, path=r"/blobs/"))
        entries = (
            wishes.repository(f"{failing.host}/failing/app", f"{target.host}/failing/app"),
            wishes.repository(f"{sound.host}/sound/app", f"{target.host}/sound/app"),
        )
        outcome = mirror([failing, sound, target], *entries, concurrent=4, fake=time_held)
        assert outcome.count(Status.DONE) == 10
        failed = [result.message for result in outcome.results if result.status is Status.FAILED]
        assert len(failed) == 3
        for message in failed:
            assert message.startswith(f"GET blob {failing.host}/failing/app@sha256:")
            assert message.endswith(
                ": HTTP 503 UNKNOWN: switched on by a test; the registry is failing: try again later"
            )
        assert target.store.tags("failing/app") == {}
        assert len(target.store.tags("sound/app")) == 10
        target.store.assert_complete()


def test_uploads_that_are_interrupted_leave_no_session_behind() -> None:
    """A session that was begun is given up when the run ends, though the upload itself was cancelled."""

    class Endless:
        """An origin that never gets to its end; `begun` once its first piece was taken."""

        def __init__(self) -> None:
            self.begun = asyncio.Event()

        @asynccontextmanager
        async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview], None]:
            yield self._pieces()

        async def _pieces(self) -> AsyncIterator[bytes | memoryview]:
            yield bytes(MIB)
            self.begun.set()
            await asyncio.Event().wait()

    with RegistryServer() as server:

        async def scenario() -> None:
            origin = Endless()
            async with asyncio.timeout(600), HttpRegistry({server.host: plain(server)}) as client:
                repository = Repository.parse(f"{server.host}/team/app")
                upload = asyncio.create_task(client.upload_blob(repository, blob_of(bytes(2 * MIB)), origin))
                await origin.begun.wait()
                upload.cancel()
                await asyncio.wait([upload])
                assert upload.cancelled()
                assert server.open_uploads == 1

        asyncio.run(scenario())
        assert server.open_uploads == 0


@pytest.mark.slow
def test_five_gib_go_through_one_slot_of_one_registry_in_flat_memory(tmp_path: Path) -> None:
    """Larger than what 32 bits count; read and sent back at the same time, for nothing is mounted here."""
    with RegistryServer(Options(discard_blobs=True, mounts=False)) as server:
        layer = large.publish(server, "huge/app", HUGE)
        (tmp_path / "mirror.yaml").write_text(
            f"creds: [{{registry: '{server.host}', tls: disabled, reqConcurrent: 1}}]\n"
            f"sync: [{{source: '{server.host}/huge/app:1', target: '{server.host}/mirror/app:1', type: image}}]\n"
        )
        code, peak = large.run_measured(tmp_path)
        assert code == 0
        assert peak < MOST_MEMORY
        assert server.store.tags("mirror/app") == server.store.tags("huge/app")
        assert server.requests.count("GET", rf"/blobs/{layer}") == 1
        assert sum(each.received for each in server.requests.select("PUT", r"/blobs/uploads/")) >= HUGE
        assert server.requests.in_flight_max == 2
