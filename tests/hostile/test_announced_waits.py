"""Registries that ask for pauses: what is waited for is said, and no command waits for longer than it has time."""

import asyncio
import logging
from pathlib import Path

import httpx
import pytest

from support import images
from support.http_client import FakeTime, scripted_client
from support.program import transship
from support.registry_server.faults import FailRequests
from support.registry_server.server import RegistryServer
from transship_registry.errors import NotFoundError, RegistryError
from transship_registry.reference import Reference

REFERENCE = Reference.parse("r.example/app:v1")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.INFO]


@pytest.mark.parametrize(("status", "phrase"), [(429, "429 Too Many Requests"), (503, "503 Service Unavailable")])
def test_each_pause_is_announced_once_for_its_host(caplog: pytest.LogCaptureFixture, status: int, phrase: str) -> None:
    """For how long, until when and why; also when every request is answered like that, and many wait."""
    caplog.set_level(logging.INFO, "transship_registry")

    async def scenario() -> None:
        time = FakeTime()
        client, _ = scripted_client(lambda _: httpx.Response(status, headers={"retry-after": "300"}), time=time)
        async with client:
            asked = [client.head_manifest(Reference.parse(f"r.example/app:{number}")) for number in range(4)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(answer, RegistryError) for answer in answers)

    asyncio.run(scenario())
    said = lines(caplog)
    assert said[0] == f"waiting for r.example:443: going on in 300 s, at 22:18:20 UTC (HTTP {phrase})"
    assert len(said) == len(set(said)), "no pause is announced twice"


def test_a_pause_of_a_mere_question_is_announced_too(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asks for the quota reads the refusal himself; others wait because of it nevertheless."""
    caplog.set_level(logging.INFO, "transship_registry")

    async def scenario() -> None:
        client, _ = scripted_client([httpx.Response(429, headers={"retry-after": "60"}), httpx.Response(404)])
        async with client:
            with pytest.raises(NotFoundError):
                await client.pull_quota(REFERENCE)

    asyncio.run(scenario())
    assert lines(caplog) == [
        "waiting for r.example:443: going on in 60 s, at 22:14:20 UTC (HTTP 429 Too Many Requests)"
    ]


@pytest.mark.parametrize("command", ["check", "plan"])
def test_a_pause_beyond_the_time_of_a_command_ends_it_at_once(tmp_path: Path, command: str) -> None:
    """With one line, which names the pause that the registry asked for."""
    with RegistryServer() as server:
        server.store.add_image("team/app", "v1", images.single())
        server.faults.add(FailRequests(status=429, retry_after_s=600))
        (tmp_path / "mirror.yaml").write_text(
            "version: 1\nstate: state.json\n"
            f"creds: [{{registry: '{server.host}', tls: disabled}}]\n"
            f"sync: [{{source: '{server.host}/team/app:v1', target: 'ocidir://mirror:v1', type: image}}]\n"
        )
        done = transship(command, "-c", "mirror.yaml", "--timeout", "5m", cwd=tmp_path)
        first, last = done.err.splitlines()
        assert (done.code, done.out) == (1, "")
        assert first.startswith(f"waiting for {server.host}: going on in 600 s, at ")
        assert last == (f"error: the {command} cannot be done within 5m (--timeout); {first}")
