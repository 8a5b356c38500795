"""Image references: `[registry/]repository[:tag][@digest]` and `ocidir://path[:name][:tag][@digest]`.

The grammar is the distribution reference grammar with Docker Hub's names resolved, as regsync reads it (semantics B7).
"""

import ipaddress
import os.path
import re
from typing import Final, Self

from transship_registry.digest import Digest
from transship_registry.errors import InvalidReferenceError
from transship_registry.value import value

DOCKER_HUB: Final = "docker.io"
LAYOUT_SCHEME: Final = "ocidir"

_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(
    rf"(?:(?P<name>{_HOST_LABEL}(?:\.{_HOST_LABEL})*\.?)|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?"
)
_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LAYOUT_PATH = re.compile(r"[A-Za-z0-9/_.~+ -]+")
_LIKE_DIGEST = re.compile(r"sha\d+:")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_NAME_LIMIT = 255


@value
class Repository:
    """A place that holds tags and content: a repository of a registry, or an OCI image layout.

    `registry` is the registry's name as references spell it (host and port; `docker.io` for Docker Hub) and empty for a
    layout; `path` is the repository's name (`library/alpine`), or the layout's folder, normalised. `name` is the
    repository in a layout that holds several, in full (`docker.io/library/alpine`), and empty everywhere else.
    """

    registry: str
    path: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a repository without tag or digest; raises `InvalidReferenceError`."""
        repository, tag, digest = _split(text)
        if tag is not None or digest is not None:
            raise InvalidReferenceError(f"{without_login(text)!r} names a tag or digest where a repository is expected")
        return cls(repository.registry, repository.path, repository.name)

    @classmethod
    def layout(cls, folder: str, name: str = "") -> Self:
        """Name the OCI image layout in `folder`, or the images in it that are called by a repository's `name`."""
        if not _LAYOUT_PATH.fullmatch(folder):
            raise InvalidReferenceError(
                f"layout path {folder!r} is malformed: letters, digits, spaces and / _ - . ~ + are allowed"
            )
        path = os.path.normpath(folder)
        # POSIX leaves the meaning of two leading slashes open, and so does normpath; here they are one.
        return cls("", path[1:] if path.startswith("//") else path, name)

    @property
    def is_layout(self) -> bool:
        """Whether this is an OCI image layout on disk."""
        return not self.registry

    @property
    def folder(self) -> str:
        """The layout as a whole, whatever repositories it holds: `ocidir://path`."""
        return f"{LAYOUT_SCHEME}://{self.path}"

    def tag(self, tag: str) -> "Reference":
        """Return the reference to a tag here; raises `InvalidReferenceError`."""
        return Reference(self, tag=check_tag(tag))

    def at(self, digest: Digest) -> "Reference":
        """Return the reference to a digest here."""
        return Reference(self, digest=digest)

    def __str__(self) -> str:
        """Return `registry/path` or `ocidir://path[:name]`."""
        if not self.is_layout:
            return f"{self.registry}/{self.path}"
        return f"{self.folder}:{self.name}" if self.name else self.folder


@value
class Reference:
    """A repository with a tag, a digest, or both; `str()` gives the full, canonical spelling."""

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a reference; without tag and digest the tag is `latest`. Raises `InvalidReferenceError`."""
        repository, tag, digest = _split(text)
        return cls(repository, "latest" if tag is None and digest is None else tag, digest)

    @property
    def identifier(self) -> str:
        """What a manifest request asks for: the digest when there is one, else the tag (distribution-spec § Pull)."""
        return str(self.digest) if self.digest else self.tag or "latest"

    def at(self, digest: Digest) -> "Reference":
        """Return the reference to `digest` in the same repository."""
        return Reference(self.repository, digest=digest)

    def expecting(self, digest: Digest | None) -> "Reference":
        """Return the same tag at `digest`, or this reference when that is None."""
        return self if digest is None else Reference(self.repository, self.tag, digest)

    def __str__(self) -> str:
        """Return `repository[:tag][@digest]`."""
        text = str(self.repository)
        if self.tag is not None:
            text += f":{self.tag}"
        return f"{text}@{self.digest}" if self.digest else text


def without_login(text: str) -> str:
    """Return a reference, a host or a URL for a message: with `***` for what stands before an `@`, but for a digest's.

    People write `user:password@host` where only a host belongs, and a password may hold any sign, `@` and `/` too.
    """
    before, at, rest = text.rpartition("@")
    if not at or _LIKE_DIGEST.match(rest):
        return text
    scheme = _SCHEME.match(before)
    return f"{scheme[0] if scheme else ''}***@{rest}"


def check_tag(tag: str) -> str:
    """Return `tag` if the grammar allows it; raises `InvalidReferenceError` (distribution-spec § Pull)."""
    if not is_tag(tag):
        raise InvalidReferenceError(
            f"tag {tag!r} is malformed: expected up to 128 letters, digits, _ . -, and none of . - first"
        )
    return tag


def is_tag(text: str) -> bool:
    """Whether the grammar allows this as a tag."""
    return _TAG.fullmatch(text) is not None


def is_repository_path(text: str) -> bool:
    """Whether the grammar allows this as the name of a repository in a registry (distribution-spec § Pull)."""
    return len(text) <= _NAME_LIMIT and _PATH.fullmatch(text) is not None


def check_registry(name: str) -> str:
    """Return the canonical name of a registry (`host[:port]`); raises `InvalidReferenceError`."""
    found = _HOST.fullmatch(name)
    if found is None or not _is_address(found):
        raise InvalidReferenceError(f"registry name {without_login(name)!r} is malformed: expected host[:port]")
    return DOCKER_HUB if name in _HUB_NAMES else name


def _is_address(found: re.Match[str]) -> bool:
    """Whether what fits the grammar of hosts can be connected to at all: a possible port, a possible IP address."""
    if found["port"] is not None and not 0 < int(found["port"]) < 65536:
        return False
    number = found["ipv6"] or (found["name"] if _IPV4.fullmatch(found["name"]) else None)
    if number is None:
        return True
    try:
        ipaddress.ip_address(number)
    except ValueError:
        return False
    return True


def _split(text: str) -> tuple[Repository, str | None, Digest | None]:
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    rest, at, digest_text = rest.partition("@")
    if ("@" in digest_text or "/" in digest_text) and not _LIKE_DIGEST.match(digest_text):
        raise InvalidReferenceError(
            f"reference {without_login(text)!r} is malformed: a user and a password are no part of it; log in by creds"
        )
    digest = Digest.parse(digest_text) if at else None
    if scheme is None:
        name, tag = _cut_tag(rest)
        return _registry_repository(text, name), tag, digest
    if scheme[1] != LAYOUT_SCHEME:
        raise InvalidReferenceError(
            f"reference {without_login(text)!r}: unknown scheme {scheme[1]!r}; write registry/repository:tag or ocidir://path:tag"
        )
    path, colon, named = rest.partition(":")
    if not _LAYOUT_PATH.fullmatch(path):
        raise InvalidReferenceError(
            f"reference {without_login(text)!r}: layout path {without_login(path)!r} is malformed: "
            "letters, digits, spaces and / _ - . ~ + only"
        )
    name, tag = _cut_tag(named) if "/" in named or ":" in named else ("", check_tag(named) if colon else None)
    return Repository.layout(path, canonical_name(name) if name else ""), tag, digest


def _cut_tag(name: str) -> tuple[str, str | None]:
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag or tag.endswith("]"):
        return name, None
    return head, check_tag(tag)


def canonical_name(name: str) -> str:
    """Return the name of a repository in full (`docker.io/library/alpine`); raises `InvalidReferenceError`."""
    return str(_registry_repository(name, name))


def _registry_repository(text: str, name: str) -> Repository:
    if name == "localhost":
        raise InvalidReferenceError(
            f"reference {without_login(text)!r} names a registry only; expected localhost/repository"
        )
    first, slash, path = name.partition("/")
    if not slash or not _is_registry(first):
        first, path = DOCKER_HUB, name
    registry = check_registry(first)
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    if is_repository_path(path):
        return Repository(registry, path)
    if path.lower() != path:
        raise InvalidReferenceError(f"reference {without_login(text)!r}: repository {path!r} must be lowercase")
    raise InvalidReferenceError(
        f"reference {without_login(text)!r}: repository {path!r} is malformed: expected lower-case letters and digits, "
        f"separated by one of . _ __ - and / (at most {_NAME_LIMIT} characters)"
    )


def _is_registry(first: str) -> bool:
    return first == "localhost" or any(character in first for character in ".:[") or first.lower() != first
