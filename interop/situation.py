"""What a situation is: what the places hold, a configuration, and what both programs make of it."""

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from interop.places import Place

from support import images


class Kind(enum.Enum):
    """The kinds of places."""

    DISTRIBUTION = "docker-registry"
    OLAREG = "olareg"
    LAYOUT = "layout"


@dataclass(frozen=True)
class Route:
    """Where images come from, and where they go."""

    source: Kind
    target: Kind

    def __str__(self) -> str:
        return f"{self.source.value} to {self.target.value}"


_D, _O, _L = Kind.DISTRIBUTION, Kind.OLAREG, Kind.LAYOUT
PLAIN_REGISTRIES = (Route(_D, _D),)
API_REGISTRIES = (Route(_O, _O),)
REGISTRIES = PLAIN_REGISTRIES + API_REGISTRIES
FROM_LAYOUT = (Route(_L, _D), Route(_L, _O))
TO_LAYOUT = (Route(_D, _L), Route(_O, _L))
CROSSWISE = (Route(_D, _O), Route(_O, _D))
EVERYWHERE = REGISTRIES + CROSSWISE + FROM_LAYOUT + TO_LAYOUT

_NAMED: dict[tuple[Route, ...], str] = {
    PLAIN_REGISTRIES: "docker-registry",
    API_REGISTRIES: "olareg",
    REGISTRIES: "registries",
    REGISTRIES + CROSSWISE: "registries, crosswise",
    EVERYWHERE: "everywhere",
}

Fill = Callable[[Place], None]


@dataclass(frozen=True)
class Gives:
    """What a run leaves at the target.

    `tags` are names (`repository:tag`) without the lists under `sha256-<hex>`, `points` says for some of them at what.
    `attached` counts the pairs of subject and referrer that a client discovers, `lists` the tags with such lists where
    that is part of the situation, `lacking` what is referred to and not there. `says` is part of what transship prints.
    """

    tags: str = ""
    code: int = 0
    points: Mapping[str, images.Image] = field(default_factory=dict[str, images.Image])
    attached: int = 0
    lists: int | None = None
    lacking: int = 0
    says: str = ""


@dataclass(frozen=True)
class Situation:
    """One row of the table.

    In `config`, and in the names of `gives`, SOURCE, SOURCE_HOST and SOURCE_PREFIX stand for the source, and TARGET and
    so on for the target; settings of both hosts are put in front unless it has its own `creds`. `target` fills the
    target before the first run, `then` the source before another one, of which `afterwards` says what it gives.

    Without `theirs`, both programs must give the same: the exit code, tags with their digests, what is attached, and
    what is lacking. With `theirs`, regsync gives that instead, on purpose, as the `passage` of docs/compatibility.md
    says.
    """

    name: str
    config: str
    gives: Gives
    source: Fill = lambda _: None
    target: Fill = lambda _: None
    routes: tuple[Route, ...] = REGISTRIES
    command: tuple[str, ...] = ("once",)
    host_settings: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    then: Fill | None = None
    afterwards: Gives | None = None
    theirs: Gives | None = None
    passage: str = ""

    @property
    def where(self) -> str:
        """The routes in a few words, as they are explained in docs/interop.md."""
        return _NAMED.get(self.routes, ", ".join(map(str, self.routes)))


def image(*keys: str, source: str = "app:v1", target: str = "app:v1", defaults: Iterable[str] = ()) -> str:
    """Return a configuration that mirrors one tag; `keys` are lines of the entry."""
    return _config((f"source: SOURCE/{source}", f"target: TARGET/{target}", "type: image", *keys), defaults)


def repository(*keys: str, source: str = "app", target: str = "app", defaults: Iterable[str] = ()) -> str:
    """Return a configuration that mirrors one repository; `keys` are lines of the entry."""
    return _config((f"source: SOURCE/{source}", f"target: TARGET/{target}", "type: repository", *keys), defaults)


def registry(*keys: str) -> str:
    """Return a configuration that mirrors a whole registry; `keys` are lines of the entry."""
    return _config(("source: SOURCE_HOST", "target: TARGET", "type: registry", *keys), ())


def _config(entry: Iterable[str], defaults: Iterable[str]) -> str:
    inherited = "\n".join(f"  {line}" for line in defaults)
    head = f"defaults:\n{inherited}\n" if inherited else ""
    return f"{head}sync:\n  - " + "\n    ".join(entry) + "\n"


def tagged(*references: str) -> Fill:
    """Put an image of its own under each `repository:tag`."""
    return puts({reference: images.single(reference) for reference in references})


def puts(content: Mapping[str, images.Image], *referrers: images.Image) -> Fill:
    """Put images under `repository:tag`, and referrers beside the first of them."""

    def fill(place: Place) -> None:
        extras = referrers
        for reference, content_of in content.items():
            name, _, tag = reference.partition(":")
            place.push(name, tag, content_of, *extras)
            extras = ()

    return fill


def both(*fills: Fill) -> Fill:
    """Do one after the other."""

    def fill(place: Place) -> None:
        for each in fills:
            each(place)

    return fill
