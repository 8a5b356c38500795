"""What the endpoints of one registry share."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from support.registry_server import documents
from support.registry_server.cursors import Cursors
from support.registry_server.exchange import RefusedError, Request
from support.registry_server.faults import Faults
from support.registry_server.options import LocationStyle, Options
from support.registry_server.quotas import Quotas
from support.registry_server.store import Store
from support.registry_server.tokens import Gate
from support.registry_server.uploads import Uploads


@dataclass
class Presigned:
    """A URL of the second origin that is good for one method, one blob and so many uses."""

    method: str
    repository: str
    digest: str
    uses_left: int | None


@dataclass
class Registry:
    """The parts of a running registry; `url` and `side_url` are the base URLs of its two origins."""

    options: Options
    store: Store
    faults: Faults
    gate: Gate
    uploads: Uploads
    url: str
    side_url: str
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    presigned: dict[str, Presigned] = field(default_factory=dict[str, Presigned])
    quotas: Quotas = field(default_factory=Quotas)
    cursors: Cursors = field(default_factory=Cursors)

    def location(self, path: str) -> str:
        """Return a path of the first origin as its `Location` headers are written."""
        return self.url + path if self.options.location_style is LocationStyle.ABSOLUTE else path

    def presign(self, grant: Presigned) -> str:
        """Return a URL of the second origin that carries its own permission."""
        signature = secrets.token_hex(16)
        self.presigned[signature] = grant
        return f"{self.side_url}/cdn/{grant.repository}/blobs/{grant.digest}?X-Signature={signature}"

    async def pause(self, seconds: float, released: Callable[[], bool] | None = None) -> None:
        """Wait, but not beyond the end of the server, nor after `released` has become true."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while not (self.closing.is_set() or clock() >= end or (released is not None and released())):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), end - clock() if released is None else 0.02)

    def require_repository(self, name: str) -> None:
        """Refuse with NAME_UNKNOWN unless the repository exists."""
        if not self.store.has_repository(name):
            raise RefusedError(
                404, "NAME_UNKNOWN", f"repository {name} is not known to this registry", detail={"name": name}
            )

    def require_or_create_repository(self, name: str) -> None:
        """Create the repository for a push, or refuse with NAME_UNKNOWN if pushes do not create any."""
        if self.options.create_repositories:
            self.store.create_repository(name)
        self.require_repository(name)


def require_digest(text: str) -> str:
    """Return a digest; refuse anything else with DIGEST_INVALID."""
    if documents.DIGEST.fullmatch(text) is None:
        raise RefusedError(400, "DIGEST_INVALID", f"{text!r} is not a sha256 or sha512 digest")
    return text


def method_not_allowed(request: Request) -> RefusedError:
    """Return the refusal of a method that the endpoint does not have."""
    return RefusedError(405, "UNSUPPORTED", f"{request.method} is not supported on {request.path}")
