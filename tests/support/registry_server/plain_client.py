"""A deliberately plain registry client for tests: one connection, no retries, no cleverness.

It is written on `http.client` alone, so that what it finds does not depend on the client under test.
"""

import base64
import http.client
import json
import re
import ssl
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

JsonObject = dict[str, object]

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)


@dataclass(frozen=True)
class Answer:
    """One HTTP response, its body read whole; header names are lower case, the last of a repeated one wins."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def document(self) -> JsonObject:
        """Return the body as a JSON object."""
        decoded: object = json.loads(self.body)
        assert isinstance(decoded, dict), f"expected a JSON object, got {self.body[:200]!r}"
        return cast("JsonObject", decoded)

    def error_codes(self) -> list[str]:
        """Return the `code` of each error of a body in the spec's error format."""
        errors = cast("list[dict[str, str]]", self.document()["errors"])
        return [error["code"] for error in errors]

    def expect(self, *statuses: int) -> Self:
        """Return this answer if its status is one of `statuses`, else fail with the body's text."""
        assert self.status in statuses, f"expected {statuses}, got {self.status}: {self.body[:500]!r}"
        return self


class PlainClient:
    """Speaks to one origin; answers a Basic or Bearer challenge once, when `auth` is given."""

    def __init__(
        self,
        base_url: str,
        *,
        auth: tuple[str, str] | None = None,
        context: ssl.SSLContext | None = None,
        timeout_s: float = 600.0,
    ) -> None:
        self._origin = urllib.parse.urlsplit(base_url if "://" in base_url else f"http://{base_url}")
        self._auth = auth
        self._context = context
        self._timeout_s = timeout_s
        self._authorization: str | None = None
        self._connection = self._connect(self._origin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request to a path or to an absolute URL of this origin; answer one challenge if there is one.

        A challenge to a body that is not bytes is returned: such a body cannot be sent twice.
        """
        sent = dict(headers or {})
        if self._authorization is not None:
            sent.setdefault("Authorization", self._authorization)
        answer = self._exchange(self._connection, method, _path(target), body, sent)
        challenge = answer.headers.get("www-authenticate")
        repeatable = body is None or isinstance(body, bytes)
        explicit = "Authorization" in (headers or {})
        if answer.status != 401 or challenge is None or self._auth is None or explicit or not repeatable:
            return answer
        self._authorization = self._answer_challenge(challenge)
        return self._exchange(
            self._connection, method, _path(target), body, {**sent, "Authorization": self._authorization}
        )

    def upload(self, repository: str, digest: str, data: bytes) -> None:
        """Upload a blob by POST, then PUT, unless the repository has it."""
        if self.request("HEAD", f"/v2/{repository}/blobs/{digest}").status == 200:
            return
        started = self.request("POST", f"/v2/{repository}/blobs/uploads/", body=b"").expect(202)
        self.request(
            "PUT",
            with_query(started.headers["location"], digest=digest),
            body=data,
            headers={"Content-Type": "application/octet-stream"},
        ).expect(201)

    def put_manifest(self, repository: str, reference: str, raw: bytes, media_type: str) -> Answer:
        """PUT a manifest by tag or digest and return the answer, whatever it is."""
        return self.request(
            "PUT", f"/v2/{repository}/manifests/{reference}", body=raw, headers={"Content-Type": media_type}
        )

    def get_manifest(self, repository: str, reference: str) -> Answer:
        """GET a manifest, accepting every manifest and index type."""
        return self.request(
            "GET", f"/v2/{repository}/manifests/{reference}", headers={"Accept": ", ".join(MANIFEST_TYPES)}
        )

    def get_blob(self, repository: str, digest: str) -> Answer:
        """GET a blob without following redirects."""
        return self.request("GET", f"/v2/{repository}/blobs/{digest}")

    def list_tags(self, repository: str) -> list[str]:
        """Return all tags of a repository on one page; an unknown repository has none."""
        answer = self.request("GET", f"/v2/{repository}/tags/list")
        if answer.status == 404:
            return []
        return cast("list[str]", answer.expect(200).document()["tags"] or [])

    def _connect(self, origin: urllib.parse.SplitResult) -> http.client.HTTPConnection:
        assert origin.hostname is not None, f"no host in {origin.geturl()}"
        if origin.scheme == "https":
            return http.client.HTTPSConnection(
                origin.hostname, origin.port, context=self._context, timeout=self._timeout_s
            )
        return http.client.HTTPConnection(origin.hostname, origin.port, timeout=self._timeout_s)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
    ) -> Answer:
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        try:
            data = response.read()
        finally:
            response.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, data)

    def _answer_challenge(self, challenge: str) -> str:
        assert self._auth is not None
        basic = "Basic " + base64.b64encode(":".join(self._auth).encode()).decode()
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            return basic
        parameters: dict[str, str] = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = urllib.parse.urlsplit(parameters.pop("realm"))
        query: list[tuple[str, str]] = [("service", parameters.get("service", ""))]
        query += [("scope", scope) for scope in parameters.get("scope", "").split()]
        connection = self._connect(realm)
        try:
            path = f"{realm.path}?{urllib.parse.urlencode(query)}"
            answer = self._exchange(connection, "GET", path, None, {"Authorization": basic}).expect(200)
        finally:
            connection.close()
        document = answer.document()
        return f"Bearer {document.get('token') or document['access_token']}"


def with_query(url: str, **parameters: str) -> str:
    """Return `url` with query parameters appended to those that it has."""
    return url + ("&" if "?" in url else "?") + urllib.parse.urlencode(parameters)


def _path(target: str) -> str:
    split = urllib.parse.urlsplit(target)
    return split.path + (f"?{split.query}" if split.query else "")
