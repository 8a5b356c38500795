"""Credential helpers: asking a program for a credential (docker/docker-credential-helpers, § Development)."""

import asyncio
import os
import re
import signal
import time
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from transship_registry.codec import decode_json
from transship_registry.errors import AuthenticationError, DocumentError
from transship_registry.foreign import one_line
from transship_registry.hosts import TOKEN_USER, Credential, HelperSettings
from transship_registry.limits import HELPER_LIMIT
from transship_registry.secret import HIDDEN, Secret

_FAILURE_EXPIRES_S = 5.0
_LINE_LIMIT = 200
_PIECE = 8192
_NOT_FOUND = b"credentials not found"
_PLAIN_WORD = re.compile(r"[('\"]?(?:[A-Za-z]+(?:[-'][a-z]+)*|\d{1,3}|-)[)'\".,:;!?]{0,2}")
_SAID_TO_BE_SECRET = re.compile(
    r"(\b(?:pass(?:word|phrase|wd)?|secret|token|key|pin)\b[\"']?(?:[:=]| is\b| was\b)).*", re.IGNORECASE
)


class _TooLongError(Exception):
    """An answer that has no end."""


class _Reply(msgspec.Struct):
    user: str = msgspec.field(name="Username", default="")
    secret: str = msgspec.field(name="Secret", default="")


@dataclass(frozen=True, slots=True)
class _Problem:
    """A failure that is remembered; it is raised as a new error each time."""

    answer: str
    advice: str


@dataclass(frozen=True, slots=True)
class _Memory:
    outcome: Credential | _Problem | None
    expires_at: float


class CredentialHelpers:
    """The helper programs of this machine, with their answers remembered.

    An answer, also that there is no credential, is kept for the helper's `expire_s`; a failure for five seconds.
    Programs are found on the `PATH` of `environment` (None: this process's) and get it as theirs.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = 10.0,
    ) -> None:
        self._environment = None if environment is None else dict(environment)
        self._clock = clock
        self._timeout_s = timeout_s
        self._memories: dict[tuple[str, str], _Memory] = {}
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __call__(self, helper: HelperSettings) -> Credential | None:
        """Return the helper's credential, None when it has none; raises `AuthenticationError` when it fails."""
        key = (helper.program, helper.host)
        memory = self._memories.get(key)
        if memory is None or memory.expires_at <= self._clock():
            async with self._locks[key]:
                memory = self._memories.get(key)
                if memory is None or memory.expires_at <= self._clock():
                    memory = self._memories[key] = await self._remember(helper)
        if isinstance(memory.outcome, _Problem):
            problem = memory.outcome
            attempted = f"ask credential helper {helper.program} for"
            raise AuthenticationError(attempted, helper.host, problem.answer, advice=problem.advice)
        return memory.outcome

    async def _remember(self, helper: HelperSettings) -> _Memory:
        outcome = await self._ask(helper)
        lifetime_s = _FAILURE_EXPIRES_S if isinstance(outcome, _Problem) else helper.expire_s
        return _Memory(outcome, self._clock() + lifetime_s)

    async def _ask(self, helper: HelperSettings) -> Credential | _Problem | None:
        try:
            code, output, errors = await self._run(helper)
        except TimeoutError:
            return _Problem(f"no answer within {self._timeout_s:g} s", f"run `{helper.program} get` by hand to see why")
        except _TooLongError as error:
            return _Problem(str(error), "expected JSON with Username and Secret")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return _Problem(f"it cannot be run: {reason}", "install the program or correct its name")
        if code != 0:
            if _NOT_FOUND in (output + errors).lower():
                return None
            line = _first_line(errors) or _first_line(output, fewest=2)
            return _Problem(
                f"exit code {code}: {line}" if line else f"exit code {code}",
                "log in again with the tool that it belongs to",
            )
        return _read_reply(output)

    async def _run(self, helper: HelperSettings) -> tuple[int, bytes, bytes]:
        process = await asyncio.create_subprocess_exec(
            helper.program,
            "get",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._environment,
            start_new_session=True,
        )
        finished = False
        try:
            async with asyncio.timeout(self._timeout_s):
                output, errors = await _converse(process, helper.host.encode())
            finished = True
        finally:
            if not finished:
                _end(process)
            code = await process.wait()
        return code, output, errors


async def _converse(process: asyncio.subprocess.Process, question: bytes) -> tuple[bytes, bytes]:
    """Ask, and return output and errors; one that answers without end is ended, and `_TooLongError` raised."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    # The question is shorter than a pipe is long, so that nobody has to wait until it is read.
    process.stdin.write(question)
    process.stdin.close()
    errors = asyncio.create_task(_read(process.stderr, lambda: None))
    try:
        output = await _read(process.stdout, lambda: _end(process))
        if len(output) > HELPER_LIMIT:
            raise _TooLongError(f"it answers with more than {HELPER_LIMIT} bytes")
        return output, await errors
    finally:
        errors.cancel()


async def _read(stream: asyncio.StreamReader, at_excess: Callable[[], None]) -> bytes:
    """Read to the end, for asyncio does not see a process end whose pipe is full; return a byte above the limit."""
    received = b""
    while piece := await stream.read(_PIECE):
        if len(received) <= HELPER_LIMIT < len(received) + len(piece):
            at_excess()
        received += piece[: HELPER_LIMIT + 1 - len(received)]
    return received


def _end(process: asyncio.subprocess.Process) -> None:
    """End the whole group: helpers are often scripts around the real program, which would outlive them."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _read_reply(output: bytes) -> Credential | _Problem | None:
    advice = "expected JSON with Username and Secret"
    try:
        reply = decode_json(output, _Reply)
    except DocumentError:
        # The decoder's reason is left out, for it might quote what may be a secret.
        return _Problem("its answer cannot be read", advice)
    if not reply.secret:
        return None if not reply.user else _Problem("its answer holds no Secret", advice)
    if reply.user == TOKEN_USER:
        return Credential(token=Secret(reply.secret))
    if not reply.user:
        return _Problem("its answer holds no Username", advice)
    return Credential(user=reply.user, password=Secret(reply.secret))


def _first_line(output: bytes, *, fewest: int = 1) -> str:
    """Return the first line for a message, without what may be a secret; none for JSON, and below `fewest` words.

    Helpers put both into their output, what is wrong and the secret, and scripts print what they please. So only plain
    words are shown: what holds digits or signs may be a secret, and so may all that follows a word for one.
    """
    text = output[: 4 * _LINE_LIMIT].decode("utf-8", "replace").strip()
    line, newline, _ = text.partition("\n")
    words = _SAID_TO_BE_SECRET.sub(rf"\1 {HIDDEN}", line).split()
    if len(output) > 4 * _LINE_LIMIT and not newline:
        words = words[:-1]
    if text.startswith(("{", "[")) or len(words) < fewest:
        return ""
    return one_line(" ".join(word if _PLAIN_WORD.fullmatch(word) else HIDDEN for word in words), _LINE_LIMIT)
