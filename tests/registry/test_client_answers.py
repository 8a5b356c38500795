"""What answers say besides their content: quotas, waits, warnings, refusals, places to go."""

import httpx
import pytest

from transship_registry.digest import Digest
from transship_registry.errors import AuthenticationError, NotFoundError, RateLimitedError, RegistryError
from transship_registry.foreign import one_line
from transship_registry.http.counters import Counters, RegistryWarning
from transship_registry.http.diagnosis import broken
from transship_registry.http.origins import (
    ForbiddenURLError,
    follow,
    follow_within,
    network_address,
    printable,
    same_origin,
    with_query,
)
from transship_registry.http.rate_limits import read_rate_limit, read_retry_after
from transship_registry.http.refusals import come_back, read_refusal, refused
from transship_registry.quota import Quota

WALL = 1_700_000_000.0
JSON = {"content-type": "application/json"}
D1 = Digest.of(b"one")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"ratelimit-limit": "9;w=21600", "ratelimit-remaining": "7;w=21600", "docker-ratelimit-source": "1.2.3.4"},
            Quota(9, 7, 21600, "1.2.3.4"),
        ),
        ({"RateLimit-Remaining": "0"}, Quota(None, 0)),
        ({"x-ratelimit-limit": "180", "x-ratelimit-remaining": "179"}, Quota(180, 179)),
        ({"ratelimit-limit": "100;w=60", "ratelimit-remaining": "5"}, Quota(100, 5, 60)),
        ({"ratelimit-limit": "100;w=60", "ratelimit-remaining": "5;w=30"}, Quota(100, 5, 30)),
        ({"ratelimit-remaining": "many"}, None),
        ({"ratelimit-limit": "100;w=21600"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_a_quota_is_read_from_either_family_of_headers(headers: dict[str, str], expected: Quota | None) -> None:
    assert read_rate_limit(httpx.Headers(headers)) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
        ({"x-retry-after": "1700000030"}, 30.0),
        ({"x-retry-after": "1699999000"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "Tue, 99 Nov 99999 22:14:20 GMT"}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_as_seconds_date_or_moment(headers: dict[str, str], expected: float | None) -> None:
    assert read_retry_after(httpx.Headers(headers), WALL) == expected


def test_a_number_from_a_billion_on_is_a_moment() -> None:
    """No registry asks anybody to wait for thirty years."""
    assert read_retry_after(httpx.Headers({"retry-after": "1000000000"}), 999_999_990.0) == 10.0
    assert read_retry_after(httpx.Headers({"retry-after": "999999999"}), 999_999_990.0) == 999_999_999.0


def test_warnings_and_the_last_quota_are_kept_once_each() -> None:
    counters = Counters("r.example")
    counters.note_headers(httpx.Headers([("warning", '299 - "going away"'), ("warning", '299 - "really \\"soon\\""')]))
    counters.note_headers(httpx.Headers({"warning": '299 - "going away"', "ratelimit-remaining": "7"}))
    counters.note_headers(httpx.Headers({"warning": '110 - "response is stale"'}))
    assert list(counters.warnings) == [
        RegistryWarning("r.example", "going away"),
        RegistryWarning("r.example", 'really "soon"'),
    ]
    assert counters.rate_limit == Quota(None, 7)


@pytest.mark.parametrize(
    ("status", "headers", "body", "line"),
    [
        (
            403,
            JSON,
            b'{"errors":[{"code":"DENIED","message":"requested access is denied","detail":{"a":1}}]}',
            "HTTP 403 DENIED: requested access is denied",
        ),
        (400, JSON, b'{"errors":[{"code":"A","message":"x"},{"code":"B"}]}', "HTTP 400 A: x; B"),
        (400, JSON, b'{"message":"no such project"}', "HTTP 400 no such project"),
        (400, JSON, b'{"error":"nope"}', "HTTP 400 nope"),
        (404, JSON, b'{"errors":[]}', "HTTP 404 Not Found"),
        (404, JSON, b'{"errors":"all"}', "HTTP 404 Not Found"),
        (404, JSON, b"[1, 2]", "HTTP 404 Not Found: [1, 2]"),
        (500, {}, b"", "HTTP 500 Internal Server Error"),
        (502, {}, b"upstream\r\n   gone\x00away", "HTTP 502 Bad Gateway: upstream gone away"),
        (799, {}, b"", "HTTP 799 (no standard status)"),
        (
            404,
            {"content-type": "text/html; charset=utf-8"},
            b"<!doctype html><h1>nginx</h1>",
            "HTTP 404 Not Found (with an HTML page, so a proxy may have answered)",
        ),
        (
            403,
            {"content-type": "application/xml"},
            b"<?xml version='1.0'?><Error><Code>SignatureDoesNotMatch</Code><Message>no match</Message>"
            b"<StringToSign>AKIDSECRET</StringToSign></Error>",
            "HTTP 403 SignatureDoesNotMatch: no match",
        ),
        (400, JSON, b'{"errors":[{"message":"' + b"x" * 400 + b'"}]}', f"HTTP 400 {'x' * 300}…"),
    ],
)
def test_a_refusal_is_one_line_whatever_its_body(status: int, headers: dict[str, str], body: bytes, line: str) -> None:
    assert read_refusal(status, headers, body).line == line


def test_a_refusal_keeps_its_codes_and_the_digests_that_it_names() -> None:
    body = (
        b'{"errors":[{"code":"manifest_blob_unknown","message":"blob unknown","detail":"%s"},'
        b'{"code":"BLOB_UNKNOWN","detail":{"Digest":"%s"}}]}' % (str(D1).encode(), str(Digest.of(b"2")).encode())
    )
    refusal = read_refusal(404, JSON, body)
    assert refusal.codes == ("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN")
    assert refusal.has("BLOB_UNKNOWN", "OTHER")
    assert not refusal.has("OTHER")
    assert refusal.digests == (D1, Digest.of(b"2"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://s3.example/x?X-Amz-Signature=abc&b=c now", "see https://s3.example/x?*** now"),
        ("sent Authorization: Bearer abc.def-ghi", "sent Authorization: Bearer ***"),
        ("sent basic dXNlcjpwYXNz", "sent basic ***"),
        ("token eyJhbGciOi.eyJzdWIi.c2ln is bad", "token *** is bad"),
    ],
)
def test_secrets_are_removed_from_what_is_printed(text: str, expected: str) -> None:
    assert one_line(text) == expected


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, AuthenticationError, "GET manifest r.example/a:b: HTTP 401 Unauthorized; log in"),
        (403, AuthenticationError, "GET manifest r.example/a:b: HTTP 403 Forbidden; log in"),
        (404, NotFoundError, "GET manifest r.example/a:b: HTTP 404 Not Found"),
        (429, RateLimitedError, "GET manifest r.example/a:b: HTTP 429 Too Many Requests; come back"),
        (503, RegistryError, "GET manifest r.example/a:b: HTTP 503 Service Unavailable; come back"),
        (409, RegistryError, "GET manifest r.example/a:b: HTTP 409 Conflict"),
    ],
)
def test_the_status_decides_the_branch_of_the_error(status: int, kind: type[RegistryError], message: str) -> None:
    refusal = read_refusal(status, {}, b"")
    error = refused("GET manifest", "r.example/a:b", refusal, login_advice="log in", retry_advice="come back")
    assert type(error) is kind
    assert error.status == status
    assert str(error) == message


def test_an_error_without_special_advice_has_the_usual_one() -> None:
    assert str(refused("GET tags", "r.example/a", read_refusal(429, {}, b""))) == (
        "GET tags r.example/a: HTTP 429 Too Many Requests; "
        "too many requests: try again later, or log in for a larger quota"
    )
    assert str(refused("GET tags", "r.example/a", read_refusal(500, {}, b""))) == (
        "GET tags r.example/a: HTTP 500 Internal Server Error; the registry is failing: try again later"
    )


def test_a_long_wait_is_said_with_its_end() -> None:
    assert come_back(3600.0, WALL) == "the registry asks to come back in 3600 s, at 2023-11-14 23:13:20 UTC"
    assert come_back(None, WALL) == ""


def test_a_broken_connection_is_said_with_what_to_check() -> None:
    error = broken("HEAD manifest", "r.example/a:b", httpx.ConnectError("reset"), "https://r.example", begun=False)
    assert str(error) == (
        "HEAD manifest r.example/a:b: no answer from https://r.example (reset); "
        "check that the registry runs there, its name, the network and the proxy"
    )
    assert error.status is None
    silent = broken("GET manifest", "r.example/a:b", httpx.ReadTimeout(""), "https://r.example", begun=True)
    assert "the answer from https://r.example broke off (it took too long);" in str(silent)
    assert "no answer from r (it broke off);" in str(broken("GET", "a:b", httpx.ReadError(""), "r", begun=False))


BASE = httpx.URL("https://r.example/v2/a/blobs/uploads/1?_state=x")


@pytest.mark.parametrize(
    ("base", "target", "expected"),
    [
        (BASE, "/v2/a/blobs/uploads/1?_state=a%2Fb%3D&z=1+2", "https://r.example/v2/a/blobs/uploads/1?_state=a%2Fb%3D&z=1+2"),
        (BASE, "2?_state=y", "https://r.example/v2/a/blobs/uploads/2?_state=y"),
        (BASE, "?n=2", "https://r.example/v2/a/blobs/uploads/1?n=2"),
        (BASE, "//cdn.example/x", "https://cdn.example/x"),
        (BASE, "https://cdn.example:8443/x?sig=1", "https://cdn.example:8443/x?sig=1"),
        (BASE, "http://r.example/v2/x", "https://r.example/v2/x"),
        (BASE, "http://R.example:443/v2/x", "https://r.example/v2/x"),
        (httpx.URL("https://r.example:5000/"), "http://r.example:5000/v2/x", "https://r.example:5000/v2/x"),
        (httpx.URL("https://r.example:5000/"), "http://r.example/v2/x", "https://r.example:5000/v2/x"),
        (httpx.URL("http://r.example/"), "https://r.example/x", "https://r.example/x"),
        (httpx.URL("https://r.example/"), "https://10.0.0.7/x", "https://10.0.0.7/x"),
        (httpx.URL("http://127.0.0.1:5000/"), "http://localhost:6000/x", "http://localhost:6000/x"),
    ],
)  # fmt: skip
def test_a_location_is_resolved_to_the_letter(base: httpx.URL, target: str, expected: str) -> None:
    assert str(follow(base, target)) == expected


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://cdn.example/x?sig=secret", "it leads from https to http://cdn.example/x, which is not encrypted"),
        ("http://r.example:8080/x", "it leads from https to http://r.example:8080/x, which is not encrypted"),
        ("ftp://r.example/x", "its scheme 'ftp' is neither http nor https"),
        ("file:///etc/passwd", "its scheme 'file' is neither http nor https"),
        ("https://r.example:99999/", "it is not a URL"),
        ("https://r.example/\x00", "it is not a URL"),
    ],
)  # fmt: skip
def test_a_place_that_must_not_be_visited_is_refused_without_its_query(target: str, reason: str) -> None:
    with pytest.raises(ForbiddenURLError) as caught:
        follow(BASE, target)
    assert str(caught.value) == reason


def test_a_page_link_must_stay_on_the_registry() -> None:
    assert str(follow_within(BASE, BASE, "http://r.example/next")) == "https://r.example/next"
    with pytest.raises(ForbiddenURLError) as caught:
        follow_within(BASE, BASE, "https://evil.example/v2/a/tags/list?last=x")
    assert str(caught.value) == (
        "it leads to https://evil.example/v2/a/tags/list, away from https://r.example/v2/a/blobs/uploads/1"
    )


def test_the_default_port_is_no_other_origin() -> None:
    assert same_origin(httpx.URL("https://r.example/"), httpx.URL("https://R.example:443/x"))
    assert not same_origin(httpx.URL("https://r.example/"), httpx.URL("http://r.example/"))
    assert not same_origin(httpx.URL("https://r.example/"), httpx.URL("https://r.example:444/"))


def test_a_query_is_appended_to_what_is_there() -> None:
    assert str(with_query(BASE, "digest=sha256:aa")) == f"{BASE}&digest=sha256:aa"
    assert str(with_query(httpx.URL("https://r.example/u"), "digest=x")) == "https://r.example/u?digest=x"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://u:p@r.example:8/x?a=b#c", "https://r.example:8/x"),
        ("https://r.example:443/x", "https://r.example/x"),
        ("http://[::1]/x", "http://[::1]/x"),
        ("http://[::1]:5000/x", "http://[::1]:5000/x"),
    ],
)
def test_a_printable_url_has_no_user_and_no_query(url: str, text: str) -> None:
    assert printable(httpx.URL(url)) == text


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://r.example/x", "r.example:443"),
        ("http://r.example/x", "r.example:80"),
        ("http://r.example:5000/x", "r.example:5000"),
        ("https://[::1]/x", "[::1]:443"),
    ],
)
def test_the_address_of_a_url_has_a_port_in_any_case(url: str, address: str) -> None:
    assert network_address(httpx.URL(url)) == address
