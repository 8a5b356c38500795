"""Credential helpers: the protocol, its failures, and how long answers are kept."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from transship_registry.errors import AuthenticationError
from transship_registry.hosts import Credential, HelperSettings
from transship_registry.login.credential_helper import CredentialHelpers
from transship_registry.secret import Secret

HOST = "registry.example.org"
ADA = Credential(user="ada", password=Secret("s3cret"))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Helper:
    """A helper script in a folder of its own, which counts its runs."""

    def __init__(self, folder: Path, script: str, timeout_s: float = 10.0) -> None:
        self.runs = folder / "runs"
        program = folder / "docker-credential-test"
        program.write_text(f"#!/bin/sh\necho run >> {self.runs}\n{script}\n")
        program.chmod(0o755)
        self.clock = Clock()
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "MARK": "inherited"}
        self.helpers = CredentialHelpers(environment, clock=self.clock, timeout_s=timeout_s)

    def get(self, host: str = HOST, expire_s: float = 3600.0) -> Credential | None:
        settings = HelperSettings(program="docker-credential-test", host=host, expire_s=expire_s)
        return asyncio.run(self.ask(settings))

    async def ask(self, settings: HelperSettings) -> Credential | None:
        return await self.helpers(settings)

    def failure(self) -> str:
        with pytest.raises(AuthenticationError) as caught:
            self.get()
        return str(caught.value)

    @property
    def count(self) -> int:
        return len(self.runs.read_text().splitlines())


def test_a_helper_is_told_the_host_and_answers_with_user_and_secret(tmp_path: Path) -> None:
    helper = Helper(tmp_path, 'printf \'{"ServerURL":"%s","Username":"%s","Secret":"%s"}\' x "$(cat)" "$1 $MARK"')
    assert helper.get() == Credential(user=HOST, password=Secret("get inherited"))


def test_the_user_token_means_an_identity_token(tmp_path: Path) -> None:
    helper = Helper(tmp_path, 'echo \'{"Username":"<token>","Secret":"abc"}\'')
    assert helper.get() == Credential(token=Secret("abc"))


@pytest.mark.parametrize(
    "script",
    [
        "echo credentials not found in native keychain; exit 1",
        "echo Credentials not found >&2; exit 1",
        'echo \'{"Username":"","Secret":""}\'',
    ],
)
def test_a_helper_without_the_credential_is_no_failure(tmp_path: Path, script: str) -> None:
    assert Helper(tmp_path, script).get() is None


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        (
            "echo boom >&2; echo more >&2; echo s3cret; exit 3",
            "exit code 3: boom; log in again with the tool that it belongs to",
        ),
        (
            "echo '  expired\tsession  '; exit 1",
            "exit code 1: expired session; log in again with the tool that it belongs to",
        ),
        ("exit 2", "exit code 2; log in again with the tool that it belongs to"),
        ('echo \'{"Secret":"s3cret"}\'; exit 1', "exit code 1; log in again with the tool that it belongs to"),
        ("kill -9 $$", "exit code -9; log in again with the tool that it belongs to"),
        ("echo s3cret", "its answer cannot be read; expected JSON with Username and Secret"),
        ("echo '{\"Secret\": 5}'", "its answer cannot be read; expected JSON with Username and Secret"),
        ("printf '\\377'", "its answer cannot be read; expected JSON with Username and Secret"),
        ('echo \'{"Username": "ada"}\'', "its answer holds no Secret; expected JSON with Username and Secret"),
        ('echo \'{"Secret": "s3cret"}\'', "its answer holds no Username; expected JSON with Username and Secret"),
    ],
)
def test_a_failure_says_program_host_and_reason_but_no_secret(tmp_path: Path, script: str, answer: str) -> None:
    message = Helper(tmp_path, script).failure()
    assert message == f"ask credential helper docker-credential-test for {HOST}: {answer}"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("docker-credential-missing", "No such file or directory"),
        ("nul\0byte", "embedded null byte"),
    ],
)
def test_a_program_that_cannot_be_run_is_a_failure(tmp_path: Path, program: str, reason: str) -> None:
    helpers = CredentialHelpers({"PATH": str(tmp_path)})

    async def ask() -> None:
        await helpers(HelperSettings(program=program, host=HOST))

    with pytest.raises(AuthenticationError) as caught:
        asyncio.run(ask())
    assert str(caught.value) == (
        f"ask credential helper {program} for {HOST}: it cannot be run: {reason}; "
        "install the program or correct its name"
    )


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _wait_gone(pid: int) -> bool:
    deadline = time.monotonic() + 600
    while _is_running(pid) and time.monotonic() < deadline:
        os.sched_yield()
    return not _is_running(pid)


def test_a_helper_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    helper = Helper(tmp_path, f"sleep 100 & echo $! > {child}; wait", timeout_s=0.5)
    assert helper.failure() == (
        f"ask credential helper docker-credential-test for {HOST}: no answer within 0.5 s; "
        "run `docker-credential-test get` by hand to see why"
    )
    assert _wait_gone(int(child.read_text()))


def test_a_cancelled_question_leaves_no_process(tmp_path: Path) -> None:
    child = tmp_path / "child"
    helper = Helper(tmp_path, f"echo $$ > {child}.new; mv {child}.new {child}; exec sleep 100")

    async def scenario() -> None:
        task = asyncio.ensure_future(helper.ask(HelperSettings(program="docker-credential-test", host=HOST)))
        while not child.exists():  # noqa: ASYNC110 -- the helper can tell by nothing but a file
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    with pytest.raises(ProcessLookupError):
        os.kill(int(child.read_text()), signal.SIGCONT)


def test_an_answer_is_kept_for_its_time(tmp_path: Path) -> None:
    helper = Helper(tmp_path, 'echo \'{"Username":"ada","Secret":"s3cret"}\'')
    assert [helper.get(expire_s=100), helper.get(expire_s=100)] == [ADA, ADA]
    helper.clock.now = 99
    helper.get(expire_s=100)
    assert helper.count == 1
    helper.clock.now = 100
    assert helper.get(expire_s=100) == ADA
    assert helper.count == 2


def test_each_host_has_its_own_answer(tmp_path: Path) -> None:
    helper = Helper(tmp_path, 'printf \'{"Username":"%s","Secret":"s3cret"}\' "$(cat)"')
    users = [found.user for host in ("a.example", "b.example") if (found := helper.get(host))]
    assert users == ["a.example", "b.example"]


def test_a_failure_is_kept_for_five_seconds(tmp_path: Path) -> None:
    helper = Helper(tmp_path, "exit 1")
    first = helper.failure()
    helper.clock.now = 4.9
    assert helper.failure() == first
    assert helper.count == 1
    helper.clock.now = 5
    assert helper.failure() == first
    assert helper.count == 2


def test_questions_at_the_same_time_run_the_program_once(tmp_path: Path) -> None:
    helper = Helper(tmp_path, 'echo \'{"Username":"ada","Secret":"s3cret"}\'')
    settings = HelperSettings(program="docker-credential-test", host=HOST)

    async def scenario() -> list[Credential | None]:
        return list(await asyncio.gather(*(helper.ask(settings) for _ in range(5))))

    assert asyncio.run(scenario()) == [ADA] * 5
    assert helper.count == 1
