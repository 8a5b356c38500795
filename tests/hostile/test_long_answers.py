"""Answers that are long and made to be slow to read: an error is a line of bounded length, and bounded work."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_registry.foreign import LINE_LIMIT, one_line
from transship_registry.http.refusals import read_refusal
from transship_registry.secret import Secret, hide

ROOT: Final = Path(__file__).resolve().parents[2]
CPU_LIMIT_S: Final = 60
"""Seconds of a processor that all of a test's answers may take; each takes milliseconds."""

LONG: Final[Mapping[str, tuple[str, int]]] = {
    "beginnings of tokens": ("-eyJ", 64 * 1024),
    "beginnings of addresses": ("http://", 64 * 1024),
    "words for secrets": ("token=", 64 * 1024),
    "words for secrets in quotes": ('token" ', 64 * 1024),
    "question marks": ("?a", 64 * 1024),
    "logins": ("://a", 64 * 1024),
    "authorizations": ("Bearer ", 64 * 1024),
    "spaces": (" ", 1024 * 1024),
    "one word": ("x", 1024 * 1024),
    "errors in XML": ("<Code></Code><Message>", 64 * 1024),
    "braces": ("{", 64 * 1024),
}
TOKEN_ANSWER_SIZE: Final = 1024 * 1024

_LIMITED: Final = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({limit}, {limit}))
import httpx
from transship_registry.errors import RegistryError
from transship_registry.hosts import Credential
from transship_registry.http.refusals import read_refusal
from transship_registry.login.auth import HostAuth
from transship_registry.login.challenges import parse_challenges
from transship_registry.secret import Secret

credential = Credential(user="me", password=Secret("a secret of some length"))
tokens = [Secret(f"token-{{number:032}}", passing=True) for number in range(600)]
unit, size = {unit!r}, {size}
text = (unit * (size // len(unit) + 1))[:size]
for form in (text, '{{"errors":[{{"message":' + repr(text).replace("'", '"') + "}}]}}"):
    for _ in range(5):
        assert len(read_refusal(500, {{}}, form.encode()).line) < 400
parse_challenges([text[: 64 * 1024]])

big = (unit * ({token_size} // len(unit) + 1))[:{token_size}]
for _ in range(5):
    auth = HostAuth("https://r.example", credential, "transship", lambda: 0.0)
    challenge = httpx.Response(401, headers={{"WWW-Authenticate": 'Bearer realm="https://auth.example/token"'}})
    challenge.request = httpx.Request("GET", "https://r.example/v2/")
    flow = auth.handshake(challenge, [])
    next(flow)
    try:
        flow.send(httpx.Response(403, content=big.encode()))
    except RegistryError as error:
        assert len(str(error)) < 600
"""


@pytest.mark.parametrize("unit", LONG, ids=str)
def test_no_answer_costs_more_than_it_is_long(unit: str) -> None:
    """Five refusals of a registry in two forms, and five of a token service, within a processor's minute."""
    text, size = LONG[unit]
    program = _LIMITED.format(limit=CPU_LIMIT_S, unit=text, size=size, token_size=TOKEN_ANSWER_SIZE)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=1200
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("gap", [0, 1, 200, 290, 299, 8180, 8190, 12270, 12287])
@pytest.mark.parametrize("secret", ["k3y-of-one-word", "a password of words"])
def test_no_part_of_a_secret_is_left_where_an_answer_is_cut(secret: str, gap: int) -> None:
    """Neither where the line ends, nor where reading ends, however little of what stands before it is shown."""
    Secret(secret)
    for filler in ("x", " ", "x "):
        shown = one_line((filler * gap)[:gap] + " " + secret + " " + "y" * 9000)
        for word in secret.split():
            assert word[:6] not in shown


@given(st.integers(0, 40), st.sampled_from(["eyJhbGciOi.eyJzdWIiOi.sig", "Bearer abcdefgh", "https://u:pw@h/?sig=abc"]))
def test_what_looks_like_a_secret_is_not_shown_where_reading_ends(before: int, secret: str) -> None:
    """The last word before the end of what is read is dropped, for half of a secret looks like none."""
    shown = one_line(" " * (8192 - before) + f"{secret} " * 40 + "z" * 4000)
    assert "eyJ" not in shown
    assert "abc" not in shown
    assert "pw" not in shown


def test_a_line_shows_its_beginning() -> None:
    assert one_line("word " * 5000) == ("word " * 60)[:LINE_LIMIT] + "…"
    assert one_line("x" * 500) == "x" * LINE_LIMIT + "…"
    assert one_line("a\x1b[1m\n b") == "a [1m b"


def test_a_word_without_an_end_leaves_the_meaning_of_the_status() -> None:
    assert read_refusal(500, {}, b"x" * 65536).line == "HTTP 500 Internal Server Error"


def test_a_long_text_is_searched_in_one_pass() -> None:
    """Thousands of tokens are looked for in megabytes at once; what is found is replaced all the same."""
    for number in range(500):
        Secret(f"token-{number:032}", passing=True)
    text = "nothing to see here " * 50_000
    assert hide(text) is text
    assert hide(f"{text} token-{7:032}.") == f"{text} ***."
