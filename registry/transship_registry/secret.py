"""Values that must never be printed, and the one function that takes them out of a text before it leaves.

Whoever makes a `Secret` makes it known here; so are the values that only a server knows (tokens, signed queries).
`hide` replaces each of them, in the forms in which servers and programs repeat them.
"""

import base64
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "***"

_SHORTEST: Final = 4
"""Characters: what is shorter is in most texts by chance, and is replaced only together with its user."""
_ANYWHERE: Final = 8
"""Characters from which on a secret is replaced inside of a word, too: shorter ones are often parts of words."""
_HEAD_OF_KEY: Final = "-----"
_LASTING: Final = 2048
_PASSING: Final = 512
_LONGEST_PASSING: Final = 16 * 1024
_SHORT_TEXT: Final = 16 * 1024
_BEGINNING: Final = 16
_MATCHER_MEMORY: Final = 64 * 1024 * 1024
_IN_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret text; only `reveal()` gives it away, and neither `str` nor `repr` does. From now on `hide` knows it.

    One that is `passing` comes from a server, as a token does: of these, only the latest are remembered.
    """

    _value: str = field(repr=False)
    passing: InitVar[bool] = False

    def __post_init__(self, passing: bool) -> None:
        _KNOWN.add(self._value, passing=passing)

    def reveal(self) -> str:
        """Return the secret itself, to be sent and never to be shown."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __str__(self) -> str:
        return HIDDEN


def know_login(user: str, password: Secret) -> None:
    """Let `hide` know a user and a password as they are sent together: `user:password`, and its base64 form."""
    if user and password:
        _KNOWN.add(f"{user}:{password.reveal()}")


def know_passing(value: str) -> None:
    """Let `hide` know what a server made up, such as a signature: of these, only the latest are remembered."""
    _KNOWN.add(value, passing=True)


def hide(text: str) -> str:
    """Return a text with `***` for every secret that this process knows, in each form that servers repeat it in.

    The forms are the secret itself, percent-encoded, escaped as in JSON and HTML, and base64 of both alphabets, padded
    or not. Secrets of 4 to 7 characters count where they are words of their own, shorter ones only behind their user's
    name: they are in most texts by chance. The longest are replaced first, so no order of becoming known matters.
    """
    return _KNOWN.hide(text)


def forget_all() -> None:
    """Forget every secret: for tests, whose secrets are words that messages of other tests have."""
    _KNOWN.clear()


class _Known:
    """The secrets of this process, each with its forms: those that users gave, and the latest that servers made up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lasting: dict[str, tuple[str, ...]] = {}
        self._passing: dict[str, tuple[str, ...]] = {}
        self._sorted: tuple[str, ...] | None = None
        self._matcher: Any = None

    def add(self, value: str, *, passing: bool = False) -> None:
        with self._lock:
            pool, most = (self._passing, _PASSING) if passing else (self._lasting, _LASTING)
            if value in self._lasting or len(value) < _SHORTEST or (passing and len(value) > _LONGEST_PASSING):
                return
            if pool.pop(value, None) is None:
                self._sorted = None
            pool[value] = ()
            if len(pool) > most:
                del pool[next(iter(pool))]

    def clear(self) -> None:
        with self._lock:
            self._lasting.clear()
            self._passing.clear()
            self._sorted = None

    def hide(self, text: str) -> str:
        forms, matcher = self._prepared(len(text) > _SHORT_TEXT)
        if matcher is not None and matcher.search(text) is None:
            return text
        for form in forms:
            if form in text:
                text = _replaced(text, form)
        return text

    def _prepared(self, is_long: bool) -> tuple[tuple[str, ...], Any]:
        """Return all forms, the longest first; for a long text, also what finds out at once that it has none."""
        with self._lock:
            if self._sorted is None:
                self._sorted, self._matcher = self._all_forms(), None
            if is_long and self._sorted and self._matcher is None:
                self._matcher = _matcher(self._sorted)
            return self._sorted, self._matcher if is_long else None

    def _all_forms(self) -> tuple[str, ...]:
        found: set[str] = set()
        for pool in (self._lasting, self._passing):
            for value, forms in pool.items():
                pool[value] = forms = forms or tuple(_forms(value))
                found.update(forms)
        return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _forms(value: str) -> Iterator[str]:
    for text in (value, *_long_lines(value)):
        for form in {text, *_escaped(text), *_packed(text)}:
            if len(form) >= _SHORTEST:
                yield form


def _long_lines(value: str) -> Iterator[str]:
    """Yield the lines of a secret that has several, such as a private key, but for its head and foot."""
    if "\n" in value:
        for line in map(str.strip, value.splitlines()):
            if len(line) >= _BEGINNING and not line.startswith(_HEAD_OF_KEY):
                yield line


def _escaped(text: str) -> Iterator[str]:
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    yield text.translate(_IN_HTML)
    for encode in (quote, quote_plus):
        for safe in ("", "/:"):
            encoded = encode(text, safe=safe, errors="surrogatepass")
            yield encoded
            yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)


def _packed(text: str) -> Iterator[str]:
    """Yield base64 without padding, and what it has in common with that of the same text and a newline or NULs."""
    data = text.encode("utf-8", "surrogatepass")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(data).decode("ascii").rstrip("=")
        if len(data) >= _ANYWHERE:
            yield encode(data[: len(data) // 3 * 3]).decode("ascii")


def _replaced(text: str, form: str) -> str:
    if len(form) >= _ANYWHERE:
        return text.replace(form, HIDDEN)
    return re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", HIDDEN, text)


def _matcher(forms: tuple[str, ...]) -> Any:
    """Return an expression that is found where a form may be, by its beginning; None when there are too many."""
    # google-re2 has no type stubs; it looks for thousands of beginnings in one pass
    re2: Any = import_module("re2")
    options = re2.Options()
    options.max_mem = _MATCHER_MEMORY
    options.log_errors = False
    options.never_capture = True
    beginnings = dict.fromkeys(form[:_BEGINNING].encode("utf-8", "replace").decode() for form in forms)
    try:
        return re2.compile("|".join(map(re2.escape, beginnings)), options)
    except re2.error:
        return None


_KNOWN: Final = _Known()
