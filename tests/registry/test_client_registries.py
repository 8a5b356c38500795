"""The one door: layouts and registries by what the reference names."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from support import images
from support.http_client import BytesOrigin, plain
from support.registry_server.options import Basic, Options
from support.registry_server.server import RegistryServer
from transship_registry.errors import AuthenticationError
from transship_registry.ports import TagList
from transship_registry.reference import Reference, Repository
from transship_registry.registries import open_registries

IMAGE = images.single(layers=1)


def test_an_image_goes_from_a_registry_to_a_layout_and_back(tmp_path: Path) -> None:
    async def scenario(server: RegistryServer) -> None:
        source, target = Repository.parse(f"{server.host}/team/app"), Repository.parse(f"{server.host}/back/app")
        layout = Repository.layout(str(tmp_path / "layout"))
        async with open_registries([plain(server)], environment={}, home=tmp_path) as registries:
            for origin, goal in ((source, layout), (layout, target)):
                manifest = await registries.get_manifest(origin.tag("v1"))
                for blob in manifest.blobs:
                    assert await registries.head_blob(goal, blob.digest) is None
                    assert await registries.mount_blob(goal, blob, origin) is False
                    async with registries.get_blob(origin, blob) as pieces:
                        content = b"".join([bytes(piece) async for piece in pieces])
                    await registries.upload_blob(goal, blob, BytesOrigin(content))
                await registries.put_manifest(goal.tag("v1"), manifest)
                found = await registries.head_manifest(goal.tag("v1"))
                assert found is not None
                assert str(found.digest) == IMAGE.digest
                assert await registries.list_tags(goal) == TagList(("v1",))
            await registries.delete_tag(layout.tag("v1"))
            assert await registries.head_manifest(layout.tag("v1")) is None
            assert (await registries.list_repositories(server.host)).tags == ("back/app", "team/app")

    with RegistryServer() as server:
        server.store.add_image("team/app", "v1", IMAGE)
        asyncio.run(scenario(server))
        server.store.assert_complete()
        assert server.store.tags("back/app") == {"v1": IMAGE.digest}


def test_an_upload_may_wait_for_the_download_that_brings_the_blob_to_a_layout(tmp_path: Path) -> None:
    """It keeps a slot of the host that both of them need, which has only one, and the download gets through."""

    async def scenario(server: RegistryServer) -> None:
        source, copy = Repository.parse(f"{server.host}/team/app"), Repository.parse(f"{server.host}/copy")
        layout = Repository.layout(str(tmp_path / "layout"))
        is_waiting, has_arrived = asyncio.Event(), asyncio.Event()
        settings = [replace(plain(server), concurrent_requests=1)]
        async with open_registries(settings, environment={}, home=tmp_path) as registries, asyncio.timeout(600):
            blob = (await registries.get_manifest(source.tag("v1"))).blobs[1]

            class Waiting(BytesOrigin):
                @asynccontextmanager
                async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview]]:
                    is_waiting.set()
                    await has_arrived.wait()
                    async with super().open(offset) as pieces:
                        yield pieces

            class Remote:
                @asynccontextmanager
                async def open(self, offset: int = 0) -> AsyncGenerator[AsyncIterator[bytes | memoryview]]:
                    async with registries.get_blob(source, blob) as pieces:
                        yield pieces

            async def to_layout() -> None:
                await is_waiting.wait()
                await registries.upload_blob(layout, blob, Remote())
                has_arrived.set()

            async with asyncio.TaskGroup() as group:
                group.create_task(registries.upload_blob(copy, blob, Waiting(IMAGE.blobs[1].data)))
                group.create_task(to_layout())
            assert await registries.head_blob(copy, blob.digest) == await registries.head_blob(layout, blob.digest)

    with RegistryServer() as server:
        server.store.add_image("team/app", "v1", IMAGE)
        asyncio.run(scenario(server))


def test_credentials_come_from_the_login_files_unless_they_are_skipped(tmp_path: Path) -> None:
    async def head(server: RegistryServer, *, skip: bool) -> object:
        folder = tmp_path / ".docker"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"auths": {server.host: {"auth": "YW5uOnNlY3JldA=="}}}))
        async with open_registries(
            [plain(server)], environment={}, home=tmp_path, skip_docker_config=skip
        ) as registries:
            return await registries.head_manifest(Reference.parse(f"{server.host}/team/app:v1"))

    with RegistryServer(Options(auth=Basic(users={"ann": "secret"}))) as server:
        server.store.add_image("team/app", "v1", IMAGE)
        assert asyncio.run(head(server, skip=False)) is not None
        with pytest.raises(AuthenticationError):
            asyncio.run(head(server, skip=True))


def test_the_user_agent_is_what_the_configuration_says(tmp_path: Path) -> None:
    async def scenario(server: RegistryServer) -> None:
        async with open_registries([plain(server)], user_agent="mirror/1", environment={}, home=tmp_path) as registries:
            await registries.list_tags(Repository.parse(f"{server.host}/team/app"))

    with RegistryServer() as server:
        server.store.add_image("team/app", "v1", IMAGE)
        asyncio.run(scenario(server))
        assert [each.headers["user-agent"] for each in server.requests] == ["mirror/1"]
