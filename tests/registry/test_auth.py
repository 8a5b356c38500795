"""Logging in: challenges, scopes, and the token handshake."""

import base64
import json
from collections.abc import Generator
from typing import TypeVar, cast
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transship_registry.errors import AuthenticationError, RateLimitedError, RegistryError, TransshipError
from transship_registry.hosts import Credential
from transship_registry.limits import TOKEN_BODY_LIMIT
from transship_registry.login.auth import HostAuth
from transship_registry.login.challenges import Challenge, parse_challenges
from transship_registry.login.scopes import Scope, catalog, delete, merge_scopes, pull, push, scopes_cover
from transship_registry.secret import Secret

ORIGIN = "https://registry.example.org"
REALM = "https://auth.example.org/token"
BEARER = f'Bearer realm="{REALM}",service="registry.example.org"'
AGENT = "transship/0"
LOGIN = Credential(user="ada", password=Secret("pa:ss"))
IDENTITY = Credential(token=Secret("identity-token"))
NO_CREDENTIAL = "no credential for this registry was found: log in with docker login, or set creds or the environment"

T = TypeVar("T")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def host_auth(credential: Credential | None = None, origin: str = ORIGIN, source: str = "") -> tuple[HostAuth, Clock]:
    clock = Clock()
    return HostAuth(origin, credential, AGENT, clock, credential_source=source), clock


def unauthorized(
    *challenges: str, authorization: str | None = None, url: str = f"{ORIGIN}/v2/lib/alpine/manifests/latest"
) -> httpx.Response:
    request = httpx.Request("GET", url, headers={"Authorization": authorization} if authorization else {})
    headers = [(b"WWW-Authenticate", text.encode()) for text in challenges]
    return httpx.Response(401, headers=headers, request=request)


def token(value: str = "t1", status: int = 200, **fields: object) -> httpx.Response:
    return httpx.Response(status, json={"token": value, **fields})


def drive(
    handshake: Generator[httpx.Request, httpx.Response, T], *responses: httpx.Response
) -> tuple[list[httpx.Request], T]:
    """Answer the requests of `handshake` with `responses`, all of which must be asked for."""
    requests: list[httpx.Request] = []
    remaining = iter(responses)
    try:
        request = next(handshake)
        while True:
            requests.append(request)
            request = handshake.send(next(remaining))
    except StopIteration as stop:
        assert next(remaining, None) is None, "the handshake asked for fewer responses"
        return requests, cast(T, stop.value)


def query(request: httpx.Request) -> list[tuple[str, str]]:
    return request.url.params.multi_items()


def form(request: httpx.Request) -> list[tuple[str, str]]:
    return parse_qsl(request.content.decode())


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class TestScope:
    def test_helpers_spell_scopes_as_the_token_specification_does(self) -> None:
        assert [str(scope) for scope in (pull("lib/alpine"), push("a"), delete("a"), catalog())] == [
            "repository:lib/alpine:pull",
            "repository:a:pull,push",
            "repository:a:delete,pull",
            "registry:catalog:*",
        ]

    def test_actions_have_one_order_and_no_doubles(self) -> None:
        assert Scope("repository:a", ("push", "pull", "push")) == push("a")

    @pytest.mark.parametrize(
        ("text", "scope"),
        [
            ("repository:lib/alpine:pull,push", push("lib/alpine")),
            ("repository:host:5000/a:pull", Scope("repository:host:5000/a", ("pull",))),
            ("registry:catalog:*", catalog()),
            ("aws", Scope("aws")),
            ("a:b", Scope("a:b")),
        ],
    )
    def test_parsing_a_scope_and_writing_it_gives_the_same_text(self, text: str, scope: Scope) -> None:
        assert Scope.parse(text) == scope
        assert str(scope) == text

    @pytest.mark.parametrize("text", ["repository:a:,pull,", "repository:a:pull,,pull"])
    def test_an_action_without_a_name_is_none(self, text: str) -> None:
        assert Scope.parse(text) == pull("a")

    def test_merging_joins_the_actions_of_one_resource(self) -> None:
        assert merge_scopes([pull("a"), delete("a"), pull("b")]) == {
            Scope("repository:a", ("delete", "pull")),
            pull("b"),
        }
        assert merge_scopes([push("a"), delete("a")]) == {Scope("repository:a", ("delete", "pull", "push"))}

    def test_a_token_serves_when_each_scope_that_is_wanted_is_held(self) -> None:
        held = frozenset({push("a"), pull("b")})
        assert scopes_cover(held, frozenset({pull("a"), pull("b")}))
        assert scopes_cover(held, frozenset())
        assert not scopes_cover(held, frozenset({pull("a"), push("b")}))
        assert not scopes_cover(held, frozenset({pull("a"), pull("c")}))


class TestChallenges:
    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            (
                ['Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"'],
                [
                    Challenge(
                        "bearer", (("realm", "https://a/t"), ("service", "s"), ("scope", "repository:x:pull,push"))
                    )
                ],
            ),
            (
                ['Basic realm="one, two", Bearer realm=https://a/t?x=1'],
                [
                    Challenge("basic", (("realm", "one, two"),)),
                    Challenge("bearer", (("realm", "https://a/t?x=1"),)),
                ],
            ),
            (["Basic", "bearer Realm = x"], [Challenge("basic"), Challenge("bearer", (("realm", "x"),))]),
            ([r'Basic realm="a \"quoted\" \\ word"'], [Challenge("basic", (("realm", r'a "quoted" \ word'),))]),
            (
                ["Negotiate dG9rZW4/==, Basic realm=x"],
                [Challenge("negotiate"), Challenge("basic", (("realm", "x"),))],
            ),
            (["Basic Bearer realm=x"], [Challenge("basic"), Challenge("bearer", (("realm", "x"),))]),
            ([', ,Basic ,, realm="x" ,'], [Challenge("basic", (("realm", "x"),))]),
            (['Basic realm="never closed'], [Challenge("basic", (("realm", "never closed"),))]),
            (["Basic realm="], [Challenge("basic")]),
            (["realm=orphan", "", '"'], []),
        ],
    )
    def test_challenges_are_read_from_all_headers(self, headers: list[str], expected: list[Challenge]) -> None:
        assert list(parse_challenges(headers)) == expected

    def test_the_first_of_a_repeated_parameter_counts(self) -> None:
        (challenge,) = parse_challenges(["Bearer realm=a, realm=b"])
        assert (challenge.get("realm"), challenge.get("service")) == ("a", "")

    @given(st.lists(st.text(alphabet=st.one_of(st.sampled_from('Bearer,="\\ \tx:/'), st.characters())), max_size=3))
    def test_any_header_is_read_without_an_error(self, headers: list[str]) -> None:
        for challenge in parse_challenges(headers):
            assert challenge.scheme == challenge.scheme.lower() != ""

    @given(
        st.dictionaries(
            st.from_regex(r"[a-z]{1,8}", fullmatch=True),
            st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)),
            min_size=1,
        )
    )
    def test_quoted_parameters_come_back_as_they_were(self, parameters: dict[str, str]) -> None:
        quoted = (
            f'{name}="{value.translate({34: chr(92) + chr(34), 92: chr(92) * 2})}"'
            for name, value in parameters.items()
        )
        assert parse_challenges([f"Bearer {', '.join(quoted)}"]) == (Challenge("bearer", tuple(parameters.items())),)


class TestBasic:
    def test_nothing_is_sent_before_the_registry_asks(self) -> None:
        auth, _ = host_auth(LOGIN)
        assert auth.authorization([pull("lib/alpine")]) is None

    def test_user_and_password_are_sent_once_the_registry_asked_for_them(self) -> None:
        auth, _ = host_auth(LOGIN)
        assert drive(auth.handshake(unauthorized('Basic realm="x"'), [pull("a")])) == ([], True)
        assert auth.authorization([push("b")]) == basic("ada", "pa:ss")

    def test_basic_is_preferred_when_both_are_offered(self) -> None:
        auth, _ = host_auth(LOGIN)
        assert drive(auth.handshake(unauthorized(BEARER, "Basic realm=x"), [pull("a")])) == ([], True)
        assert auth.authorization([pull("a")]) == basic("ada", "pa:ss")

    def test_bearer_is_taken_when_both_are_offered_and_there_is_no_login(self) -> None:
        auth, _ = host_auth(None)
        requests, again = drive(auth.handshake(unauthorized("Basic realm=x", BEARER), [pull("a")]), token())
        assert (len(requests), again, auth.authorization([pull("a")])) == (1, True, "Bearer t1")

    def test_a_login_that_was_refused_is_not_sent_again(self) -> None:
        auth, _ = host_auth(LOGIN)
        response = unauthorized("Basic realm=x", authorization=basic("ada", "pa:ss"))
        assert drive(auth.handshake(response, [pull("a")])) == ([], False)

    def test_a_new_credential_replaces_the_one_that_was_refused(self) -> None:
        auth, _ = host_auth(LOGIN)
        auth.use_credential(Credential(user="ada", password=Secret("new")), "helper")
        response = unauthorized("Basic realm=x", authorization=basic("ada", "pa:ss"))
        assert drive(auth.handshake(response, [pull("a")])) == ([], True)
        assert auth.authorization([pull("a")]) == basic("ada", "new")
        assert auth.advice == "the credential from helper was used: check that it is valid and allows this"

    @pytest.mark.parametrize(
        ("credential", "challenges", "message"),
        [
            (
                None,
                ["Basic realm=x"],
                "log in to registry.example.org (repository:a:pull): "
                f"the registry asks for user and password; {NO_CREDENTIAL}",
            ),
            (
                IDENTITY,
                ["Basic realm=x"],
                "log in to registry.example.org (repository:a:pull): the registry asks for user and password, and "
                "the credential holds only a token; "
                "the credential from ~/.docker/config.json was used: check that it is valid and allows this",
            ),
            (
                None,
                ["Negotiate", 'Digest realm="x"'],
                "log in to registry.example.org (repository:a:pull): the registry's WWW-Authenticate offers "
                f"negotiate, digest, expected Basic or Bearer; {NO_CREDENTIAL}",
            ),
            (
                None,
                [],
                "log in to registry.example.org (repository:a:pull): the registry's WWW-Authenticate offers "
                f"nothing, expected Basic or Bearer; {NO_CREDENTIAL}",
            ),
        ],
    )
    def test_a_challenge_that_cannot_be_answered_says_why(
        self, credential: Credential | None, challenges: list[str], message: str
    ) -> None:
        auth, _ = host_auth(credential, source="~/.docker/config.json")
        with pytest.raises(AuthenticationError) as caught:
            drive(auth.handshake(unauthorized(*challenges), [pull("a")]))
        assert str(caught.value) == message
        assert caught.value.status == 401

    def test_half_a_login_counts_as_none(self) -> None:
        auth, _ = host_auth(Credential(user="ada"))
        with pytest.raises(AuthenticationError):
            drive(auth.handshake(unauthorized("Basic realm=x"), [pull("a")]))
        assert auth.advice == NO_CREDENTIAL


class TestTokenRequest:
    def test_an_anonymous_token_is_asked_for_with_one_scope_parameter_per_scope(self) -> None:
        auth, _ = host_auth()
        (request,), again = drive(auth.handshake(unauthorized(BEARER), [push("b"), pull("a")]), token())
        assert again
        assert request.method == "GET"
        assert str(request.url.copy_with(query=None)) == REALM
        assert query(request) == [
            ("service", "registry.example.org"),
            ("scope", "repository:a:pull"),
            ("scope", "repository:b:pull,push"),
            ("client_id", AGENT),
        ]
        assert "Authorization" not in request.headers
        assert request.headers["User-Agent"] == AGENT

    def test_a_login_is_shown_to_the_token_service(self) -> None:
        auth, _ = host_auth(LOGIN)
        (request,), _ = drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        assert request.headers["Authorization"] == basic("ada", "pa:ss")
        assert query(request)[-1] == ("account", "ada")

    def test_the_query_of_the_realm_is_kept(self) -> None:
        auth, _ = host_auth()
        response = unauthorized('Bearer realm="https://auth.example.org/token?tenant=7#part"')
        (request,), _ = drive(auth.handshake(response, []), token())
        assert str(request.url) == "https://auth.example.org/token?tenant=7&client_id=transship%2F0"

    def test_an_identity_token_is_exchanged_by_post(self) -> None:
        auth, _ = host_auth(IDENTITY)
        answer = httpx.Response(200, json={"access_token": "t1"})
        (request,), again = drive(auth.handshake(unauthorized(BEARER), [pull("a"), pull("b")]), answer)
        assert again
        assert (request.method, str(request.url)) == ("POST", REALM)
        assert form(request) == [
            ("grant_type", "refresh_token"),
            ("refresh_token", "identity-token"),
            ("client_id", AGENT),
            ("service", "registry.example.org"),
            ("scope", "repository:a:pull repository:b:pull"),
        ]
        assert "Authorization" not in request.headers
        assert auth.authorization([pull("a"), pull("b")]) == "Bearer t1"

    @pytest.mark.parametrize("status", [400, 401, 404, 405])
    def test_a_token_service_without_post_is_asked_by_get(self, status: int) -> None:
        auth, _ = host_auth(IDENTITY)
        requests, again = drive(auth.handshake(unauthorized(BEARER), [pull("a")]), httpx.Response(status), token())
        assert again
        assert [request.method for request in requests] == ["POST", "GET"]
        assert requests[1].headers["Authorization"] == basic("<token>", "identity-token")
        assert "account" not in dict(query(requests[1]))

    @pytest.mark.parametrize(("status", "methods"), [(405, ["GET"]), (401, ["POST"])])
    def test_only_a_missing_post_is_remembered(self, status: int, methods: list[str]) -> None:
        auth, _ = host_auth(IDENTITY)
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), httpx.Response(status), token())
        requests, _ = drive(auth.handshake(unauthorized(BEARER), [pull("b")]), token())
        assert [request.method for request in requests] == methods

    def test_a_login_serves_when_the_identity_token_beside_it_is_refused(self) -> None:
        auth, _ = host_auth(Credential(user="ada", password=Secret("x"), token=Secret("old")))
        requests, _ = drive(auth.handshake(unauthorized(BEARER), [pull("a")]), httpx.Response(401), token())
        assert requests[1].headers["Authorization"] == basic("ada", "x")

    def test_a_refresh_token_that_came_along_is_used_next_time(self) -> None:
        auth, _ = host_auth(LOGIN)
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token(refresh_token="r1"))
        (request,), _ = drive(auth.handshake(unauthorized(BEARER), [pull("b")]), token("t2"))
        assert dict(form(request))["refresh_token"] == "r1"

    def test_a_refresh_token_is_never_shown_to_another_service(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token(refresh_token="r1"))
        other = unauthorized('Bearer realm="https://evil.example.net/token",service="registry.example.org"')
        (request,), _ = drive(auth.handshake(other, [pull("b")]), token("t2"))
        assert (request.method, request.content, "r1" in str(request.url)) == ("GET", b"", False)

    def test_a_refresh_token_that_is_refused_is_dropped_for_the_credential(self) -> None:
        auth, _ = host_auth(LOGIN)
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token(refresh_token="r1"))
        requests, again = drive(auth.handshake(unauthorized(BEARER), [pull("b")]), httpx.Response(401), token())
        assert again
        assert requests[1].headers["Authorization"] == basic("ada", "pa:ss")
        (request,), _ = drive(auth.handshake(unauthorized(BEARER), [pull("c")]), token())
        assert request.method == "GET"

    def test_scopes_that_the_challenge_names_are_asked_for_as_well(self) -> None:
        auth, _ = host_auth()
        challenge = f'{BEARER},scope="repository:prefix/a:pull aws"'
        (request,), _ = drive(auth.handshake(unauthorized(challenge), [pull("a")]), token())
        assert [value for name, value in query(request) if name == "scope"] == [
            "aws",
            "repository:a:pull",
            "repository:prefix/a:pull",
        ]
        assert auth.authorization([pull("a")]) == "Bearer t1"

    def test_a_flood_of_scopes_in_a_challenge_is_cut(self) -> None:
        auth, _ = host_auth()
        challenge = f'{BEARER},scope="{" ".join(f"s{number}" for number in range(100))}"'
        (request,), _ = drive(auth.handshake(unauthorized(challenge), []), token())
        assert len([name for name, _ in query(request) if name == "scope"]) == 16


class TestTokenCache:
    def test_a_token_serves_its_scopes_and_narrower_ones(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [push("a"), pull("b")]), token())
        assert auth.authorization([pull("a")]) == "Bearer t1"
        assert auth.authorization([pull("b"), push("a")]) == "Bearer t1"
        assert auth.authorization([push("b")]) is None
        assert auth.authorization([pull("c")]) is None

    def test_an_exact_token_is_preferred_to_a_wider_one(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [push("a")]), token("wide"))
        response = unauthorized(BEARER, authorization="Bearer wide")
        assert drive(auth.handshake(response, [pull("a")]), token("exact"))[1]
        assert auth.authorization([pull("a")]) == "Bearer exact"
        assert auth.authorization([push("a")]) == "Bearer wide"

    @pytest.mark.parametrize(
        ("fields", "lifetime_s"),
        [
            ({}, 60),
            ({"expires_in": 300}, 300),
            ({"expires_in": 1}, 60),
            ({"expires_in": -5}, 60),
            ({"expires_in": "300"}, 300),
            ({"expires_in": 10**30}, 86400),
            ({"expires_in": True}, 60),
            ({"expires_in": None}, 60),
            ({"expires_in": 300, "issued_at": "2001-01-01T00:00:00Z"}, 300),
        ],
    )
    def test_a_token_is_renewed_five_seconds_before_its_end(self, fields: dict[str, object], lifetime_s: float) -> None:
        auth, clock = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), httpx.Response(200, json={"token": "t1", **fields}))
        clock.now += lifetime_s - 5.5
        assert auth.authorization([pull("a")]) == "Bearer t1"
        clock.now += 1
        assert auth.authorization([pull("a")]) is None

    def test_a_token_that_is_refused_is_renewed_before_its_end(self) -> None:
        """However fresh it is: it may have been good for some requests only, and those were others."""
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token(expires_in=3600))
        response = unauthorized(BEARER, authorization="Bearer t1")
        _, again = drive(auth.handshake(response, [pull("a")]), token("t2"))
        assert (again, auth.authorization([pull("a")])) == (True, "Bearer t2")

    def test_a_token_that_another_task_got_meanwhile_is_used_without_a_request(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        assert drive(auth.handshake(unauthorized(BEARER), [pull("a")])) == ([], True)

    def test_a_challenge_that_asks_for_more_than_the_refused_token_had_gets_another_token(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        wider = unauthorized(f'{BEARER},scope="repository:a:pull,push"', authorization="Bearer t1")
        _, again = drive(auth.handshake(wider, [pull("a")]), token("t2"))
        assert (again, auth.authorization([pull("a")])) == (True, "Bearer t2")

    def test_tokens_of_two_realms_live_side_by_side(self) -> None:
        auth, _ = host_auth()
        other = 'Bearer realm="https://auth.example.org/other",service="s"'
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token("one"))
        drive(auth.handshake(unauthorized(other), [pull("b")]), token("two"))
        assert (auth.authorization([pull("a")]), auth.authorization([pull("b")])) == ("Bearer one", "Bearer two")

    def test_another_credential_forgets_the_tokens_of_the_last_one(self) -> None:
        auth, _ = host_auth(LOGIN)
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token(refresh_token="r1"))
        auth.use_credential(LOGIN, "the same")
        assert auth.authorization([pull("a")]) == "Bearer t1"
        auth.use_credential(None)
        assert auth.authorization([pull("a")]) is None
        (request,), _ = drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        assert (request.method, "Authorization" in request.headers) == ("GET", False)

    def test_a_refused_wide_scope_leaves_the_narrow_one_usable(self) -> None:
        """A mount may be refused at the token service (kaniko#1002); the plain upload goes on with its own scope."""
        auth, _ = host_auth(LOGIN)
        with pytest.raises(AuthenticationError):
            drive(auth.handshake(unauthorized(BEARER), [push("a"), pull("secret")]), httpx.Response(403))
        assert drive(auth.handshake(unauthorized(BEARER), [push("a")]), token("narrow"))[1]
        assert auth.authorization([push("a")]) == "Bearer narrow"

    def test_a_wide_token_that_the_registry_refuses_leaves_the_narrow_one_usable(self) -> None:
        """Harbor answers 401 to a mount from an unknown project (harbor#17097)."""
        auth, _ = host_auth(LOGIN)
        drive(auth.handshake(unauthorized(BEARER), [push("a"), pull("secret")]), token("wide"))
        refused = unauthorized(BEARER, authorization="Bearer wide")
        assert drive(auth.handshake_alone(refused, [push("a"), pull("secret")], 0), token("own"))[1] == "Bearer own"
        assert drive(auth.handshake(refused, [push("a")]), token("narrow"))[1]
        assert auth.authorization([push("a")]) == "Bearer narrow"


class TestSecondRefusal:
    """What a request gets that was answered 401, logged in, and is answered 401 again."""

    def test_the_token_is_replaced_by_one_that_nobody_else_is_handed(self) -> None:
        """For others may have used it up."""
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        response = unauthorized(BEARER, authorization="Bearer t1")
        _, own = drive(auth.handshake_alone(response, [pull("a")], 0), token("t2"))
        assert (own, auth.authorization([pull("a")])) == ("Bearer t2", "Bearer t1")

    def test_a_token_that_let_nobody_in_is_the_last_word_once_a_request_of_its_own_was_refused(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        response = unauthorized(BEARER, authorization="Bearer t1")
        auth.note_denied(unauthorized(BEARER, authorization="Bearer own"), [pull("a")])
        assert drive(auth.handshake_alone(response, [pull("a")], 0)) == ([], None)
        auth.note_accepted("Bearer t1")
        assert drive(auth.handshake_alone(response, [pull("a")], 0), token("t2"))[1] == "Bearer t2"

    def test_that_one_repository_is_refused_says_nothing_of_others(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("b")]), token())
        auth.note_denied(unauthorized(BEARER, authorization="Bearer own"), [pull("a")])
        response = unauthorized(BEARER, authorization="Bearer t1")
        assert drive(auth.handshake_alone(response, [pull("b")], 0), token("t2"))[1] == "Bearer t2"

    def test_a_token_from_before_the_first_refusal_is_replaced(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        response = unauthorized(BEARER, authorization="Bearer t1")
        _, own = drive(auth.handshake_alone(response, [pull("a")], auth.obtained), token("t2"))
        assert own == "Bearer t2"

    def test_a_token_that_was_renewed_meanwhile_is_replaced(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        response = unauthorized(BEARER, authorization="Bearer t1")
        drive(auth.handshake(response, [pull("a")]), token("t2"))
        _, own = drive(auth.handshake_alone(response, [pull("a")], 0), token("t3"))
        assert own == "Bearer t3"

    def test_a_token_for_more_than_was_asked_is_replaced_by_one_for_just_that(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [push("a")]), token())
        response = unauthorized(BEARER, authorization="Bearer t1")
        (request,), own = drive(auth.handshake_alone(response, [pull("a")], 0), token("t2"))
        assert own == "Bearer t2"
        assert ("scope", "repository:a:pull") in query(request)

    def test_a_registry_that_asks_for_the_password_now_gets_it_once(self) -> None:
        auth, _ = host_auth(LOGIN)
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        response = unauthorized("Basic realm=x", authorization="Bearer t1")
        assert drive(auth.handshake_alone(response, [pull("a")], 0)) == ([], basic("ada", "pa:ss"))
        response = unauthorized("Basic realm=x", authorization=basic("ada", "pa:ss"))
        assert drive(auth.handshake_alone(response, [pull("a")], 0)) == ([], None)

    def test_a_registry_that_asks_for_a_token_now_gets_one(self) -> None:
        auth, _ = host_auth(LOGIN)
        response = unauthorized(BEARER, authorization=basic("ada", "pa:ss"))
        assert drive(auth.handshake_alone(response, [pull("a")], 0), token())[1] == "Bearer t1"


class TestPrepare:
    def test_nothing_is_prepared_before_a_challenge(self) -> None:
        auth, _ = host_auth(LOGIN)
        assert drive(auth.prepare([pull("a")])) == ([], False)

    def test_a_token_for_another_repository_is_got_in_advance(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(f'{BEARER},scope="repository:a:pull"'), [pull("a")]), token())
        (request,), ready = drive(auth.prepare([pull("b")]), token("t2"))
        assert (ready, auth.authorization([pull("b")])) == (True, "Bearer t2")
        assert [value for name, value in query(request) if name == "scope"] == ["repository:b:pull"]

    def test_a_live_token_needs_no_preparation(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [push("a")]), token())
        assert drive(auth.prepare([pull("a")])) == ([], True)

    def test_a_login_needs_no_preparation(self) -> None:
        auth, _ = host_auth(LOGIN)
        drive(auth.handshake(unauthorized("Basic realm=x"), [pull("a")]))
        assert drive(auth.prepare([pull("b")])) == ([], True)

    def test_a_refusal_in_advance_is_left_to_the_registry(self) -> None:
        auth, _ = host_auth()
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        assert drive(auth.prepare([pull("b")]), httpx.Response(403))[1] is False


class TestRefusal:
    @pytest.mark.parametrize(
        ("answer", "text"),
        [
            (
                httpx.Response(401, json={"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]}),
                "HTTP 401: UNAUTHORIZED: wrong password",
            ),
            (httpx.Response(403, json={"details": "no access"}), "HTTP 403: no access"),
            (
                httpx.Response(400, json={"error": "invalid_grant", "error_description": "expired"}),
                "HTTP 400: invalid_grant: expired",
            ),
            (httpx.Response(401, text="  go\r\n\x1b[31m away \n"), "HTTP 401: go [31m away"),
            (httpx.Response(401, json={"errors": "odd"}), "HTTP 401"),
            (httpx.Response(401, json={"errors": [1, {"code": 2}]}), "HTTP 401"),
            (httpx.Response(418, content=b"\xff" * 1000), "HTTP 418: " + "\ufffd" * 200 + "…"),
            (
                httpx.Response(302, headers={"Location": "https://elsewhere.example.net/login/s3same?X-Sig=s3same"}),
                "HTTP 302: redirect to https://elsewhere.example.net, which is not followed",
            ),
        ],
    )
    def test_a_refusal_says_where_for_what_and_why(self, answer: httpx.Response, text: str) -> None:
        auth, _ = host_auth(LOGIN, source="DOCKER_AUTH_CONFIG")
        with pytest.raises(AuthenticationError) as caught:
            drive(auth.handshake(unauthorized(BEARER), [pull("a")]), answer)
        for_a = f"get a token from {REALM} for registry.example.org (repository:a:pull): {text}; "
        was_used = "the credential from DOCKER_AUTH_CONFIG was used: check that it is valid and allows this"
        as_ada = f"log in to registry.example.org as ada at {REALM}: {text}; "
        is_wrong = "the credential is from DOCKER_AUTH_CONFIG: correct it there"
        is_refused = answer.status_code == 401
        assert str(caught.value) == (as_ada + is_wrong if is_refused else for_a + was_used)
        assert caught.value.status == answer.status_code

    def test_an_identity_token_is_not_shown_for_no_scope_to_find_out_whether_it_is_wrong(self) -> None:
        """Services differ in how they take one; each kind of scopes is asked for once."""
        auth, _ = host_auth(IDENTITY)
        for answers in ([httpx.Response(401), httpx.Response(401)], []):
            with pytest.raises(
                AuthenticationError, match=r"^log in to registry\.example\.org with an identity token at "
            ):
                drive(auth.handshake(unauthorized(BEARER), [pull("a")]), *answers)
        requests, _again = drive(auth.handshake(unauthorized(BEARER), [pull("b")]), token())
        assert [form(request)[-1] for request in requests] == [("scope", "repository:b:pull")]

    def test_a_credential_that_got_a_token_is_not_wrong_when_another_one_is_refused(self) -> None:
        """What is refused is these scopes, once; others are asked for as ever."""
        auth, _ = host_auth(LOGIN)
        drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())
        said: list[str] = []
        for answers in ([httpx.Response(401)], []):
            with pytest.raises(AuthenticationError) as caught:
                drive(auth.handshake(unauthorized(BEARER), [pull("b")]), *answers)
            said.append(str(caught.value))
        assert set(said) == {
            f"get a token from {REALM} for registry.example.org (repository:b:pull): HTTP 401; "
            "the credential from the configuration was used: check that it is valid and allows this"
        }
        assert len(drive(auth.handshake(unauthorized(BEARER), [pull("c")]), token("t3"))[0]) == 1

    @pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
    def test_what_is_no_refused_login_is_tried_again(self, status: int) -> None:
        auth, _ = host_auth(LOGIN)
        with pytest.raises(RegistryError):
            drive(auth.handshake(unauthorized(BEARER), [pull("a")]), httpx.Response(status))
        assert len(drive(auth.handshake(unauthorized(BEARER), [pull("a")]), token())[0]) == 1

    def test_a_challenge_that_does_not_ask_for_the_password_says_nothing_of_it(self) -> None:
        """A registry may take passwords at one place and tokens at another."""
        auth, _ = host_auth(LOGIN)
        drive(auth.handshake(unauthorized("Basic"), [pull("a")]))
        shown = basic("ada", "pa:ss")
        auth.judge(unauthorized(BEARER, authorization=shown), [pull("a")])
        assert auth.authorization([pull("a")]) == shown
        auth.judge(unauthorized("Basic", authorization=shown), [pull("a")])
        assert auth.authorization([pull("a")]) is None

    def test_a_refused_identity_token_is_reported_rather_than_the_second_try(self) -> None:
        auth, _ = host_auth(IDENTITY)
        expired = httpx.Response(401, text="token expired")
        with pytest.raises(AuthenticationError, match="HTTP 401: token expired;"):
            drive(auth.handshake(unauthorized(BEARER), [pull("a")]), expired, httpx.Response(401, text="who?"))

    def test_a_forbidden_identity_token_is_not_tried_as_a_password(self) -> None:
        auth, _ = host_auth(IDENTITY)
        with pytest.raises(AuthenticationError, match="HTTP 403;"):
            drive(auth.handshake(unauthorized(BEARER), [pull("a")]), httpx.Response(403))

    def test_an_anonymous_refusal_by_docker_hub_names_its_limits(self) -> None:
        auth, _ = host_auth(None, origin="https://registry-1.docker.io")
        url = "https://registry-1.docker.io/v2/library/alpine/manifests/1"
        with pytest.raises(AuthenticationError) as caught:
            drive(auth.handshake(unauthorized(BEARER, url=url), [pull("library/alpine")]), httpx.Response(401))
        assert str(caught.value) == (
            f"get a token from {REALM} for registry-1.docker.io (repository:library/alpine:pull): HTTP 401; "
            f"{NO_CREDENTIAL}; Docker Hub limits anonymous pulls per IP address, a login has a limit of its own"
        )

    @pytest.mark.parametrize(
        ("status", "kind", "advice"),
        [
            (429, RateLimitedError, NO_CREDENTIAL),
            (408, RegistryError, "the token service fails: try later"),
            (503, RegistryError, "the token service fails: try later"),
        ],
    )
    def test_a_token_service_that_cannot_answer_is_no_refusal(
        self, status: int, kind: type[RegistryError], advice: str
    ) -> None:
        auth, _ = host_auth()
        with pytest.raises(RegistryError) as caught:
            drive(auth.handshake(unauthorized(BEARER), [pull("a")]), httpx.Response(status))
        assert type(caught.value) is kind
        assert str(caught.value) == (
            f"get a token from {REALM} for registry.example.org (repository:a:pull): HTTP {status}; {advice}"
        )

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (b"<html>", "the answer is no JSON object: JSON is malformed: invalid character (byte 0)"),
            (b"[]", "the answer is no JSON object: Expected `object`, got `array`"),
            (b"[" * 100_000, "the answer is no JSON object: Expected `object`, got `array`"),
            (b"{}", "the answer holds no token"),
            (b'{"token": 5}', "the answer holds no token"),
            (b'{"token": "a\\r\\nX-Evil: 1"}', "the answer's token holds characters that no header may hold"),
            (b" " * (TOKEN_BODY_LIMIT + 1), "the answer is larger than 1048576 bytes"),
        ],
    )
    def test_an_unusable_answer_is_a_clear_error(self, body: bytes, text: str) -> None:
        auth, _ = host_auth()
        with pytest.raises(RegistryError) as caught:
            drive(auth.handshake(unauthorized(BEARER), [pull("a")]), httpx.Response(200, content=body))
        assert str(caught.value) == (f"get a token from {REALM} for registry.example.org (repository:a:pull): {text}")

    def test_a_deeply_nested_answer_is_a_clear_error(self) -> None:
        auth, _ = host_auth()
        body = b'{"token":' + b"[" * 100_000
        with pytest.raises(RegistryError, match="the answer is no JSON object: JSON is nested too deeply"):
            drive(auth.handshake(unauthorized(BEARER), [pull("a")]), httpx.Response(200, content=body))


class TestSecurity:
    def test_another_origin_gets_no_answer(self) -> None:
        auth, _ = host_auth(LOGIN)
        for url in (
            "https://cdn.example.net/blob",
            "http://registry.example.org/v2/",
            "https://registry.example.org:8443/",
        ):
            assert drive(auth.handshake(unauthorized(BEARER, "Basic realm=x", url=url), [pull("a")])) == ([], False)
        assert auth.authorization([pull("a")]) is None

    def test_the_default_port_is_the_same_origin(self) -> None:
        auth, _ = host_auth(LOGIN)
        response = unauthorized("Basic realm=x", url="https://REGISTRY.example.org:443/v2/")
        assert drive(auth.handshake(response, [])) == ([], True)

    @pytest.mark.parametrize("credential", [LOGIN, IDENTITY])
    def test_no_credential_goes_to_a_plain_http_realm_of_an_https_registry(self, credential: Credential) -> None:
        auth, _ = host_auth(credential)
        with pytest.raises(AuthenticationError) as caught:
            drive(auth.handshake(unauthorized('Bearer realm="http://auth.example.org/t"'), [pull("a")]))
        assert str(caught.value) == (
            "log in to registry.example.org (repository:a:pull): the registry's token service auth.example.org is "
            "reached by plain http, no credential is sent there; the registry must name an https realm (behind a proxy "
            "it may need X-Forwarded-Proto)"
        )

    def test_an_anonymous_token_may_come_by_plain_http(self) -> None:
        auth, _ = host_auth()
        (request,), _ = drive(auth.handshake(unauthorized("Bearer realm=http://auth.example.org/t"), []), token())
        assert request.url.scheme == "http"

    def test_a_plain_http_registry_may_have_a_plain_http_token_service(self) -> None:
        auth, _ = host_auth(LOGIN, origin="http://localhost:5000")
        response = unauthorized("Bearer realm=http://localhost:5001/t", url="http://localhost:5000/v2/")
        (request,), _ = drive(auth.handshake(response, []), token())
        assert request.headers["Authorization"] == basic("ada", "pa:ss")

    @pytest.mark.parametrize(
        "realm",
        [
            "",
            "/token",
            "ftp://auth.example.org/",
            "file:///etc/passwd",
            "https://",
            "https://user:pass@auth.example.org/",
            "https://auth.example.org:99999/",
            "https://xn--/",
            "https://a b/",
            "https://[::1/",
            "https://ex\u00e4mple.org/",
            "https://auth.example.org/" + "a" * 5000,
        ],
    )
    def test_a_realm_that_is_no_web_address_is_refused(self, realm: str) -> None:
        auth, _ = host_auth()
        with pytest.raises(AuthenticationError, match=r"of the registry's challenge is no http or https URL; "):
            drive(auth.handshake(unauthorized(f'Bearer realm="{realm}"'), [pull("a")]))

    @pytest.mark.parametrize(("password", "token"), [("pa:ss", ""), ("", "identity-token")])
    def test_an_answer_that_echoes_a_secret_does_not_leak_it(self, password: str, token: str) -> None:
        credential = Credential(user="me", password=Secret(password), token=Secret(token))
        auth, _ = host_auth(credential)
        echo = httpx.Response(403, text="bad secret " + "x" * 180 + " pa:ss identity-token")
        with pytest.raises(AuthenticationError) as caught:
            drive(auth.handshake(unauthorized(BEARER), [pull("a")]), echo)
        secret = (credential.password or credential.token).reveal()
        assert secret not in str(caught.value)
        assert secret[:4] not in str(caught.value).split("HTTP 403")[1]


class TestFuzz:
    @given(
        st.one_of(
            st.text(),
            st.text().map(lambda realm: f'Bearer realm="{realm}"'),
            st.builds(
                'Bearer realm="http{}://{}",service="{}",scope="{}"'.format, st.text(), st.text(), st.text(), st.text()
            ),
        ),
        st.one_of(
            st.binary(),
            st.recursive(
                st.none() | st.text(),
                lambda values: (
                    st.dictionaries(
                        st.sampled_from(["token", "access_token", "expires_in", "refresh_token", "errors", "message"]),
                        values,
                    )
                    | st.lists(values)
                ),
            ).map(lambda value: json.dumps(value).encode()),
        ),
        st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 429, 500]),
        st.sampled_from([None, LOGIN, IDENTITY]),
    )
    @example('Bearer realm="https://a/"', b'{"token": "x", "expires_in": 1e308}', 200, None)
    def test_no_challenge_and_no_answer_raises_anything_but_our_errors(
        self, challenge: str, body: bytes, status: int, credential: Credential | None
    ) -> None:
        auth, _ = host_auth(credential)
        handshake = auth.handshake(unauthorized(challenge), [pull("a")])
        answer = httpx.Response(status, content=body)
        try:
            request = next(handshake)
            for _ in range(3):
                assert request.url.scheme in {"http", "https"}
                request = handshake.send(answer)
        except (StopIteration, TransshipError):
            return
        pytest.fail("the handshake does not end")
