"""Where credentials come from, and which source wins."""

import asyncio
import base64
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transship_registry.errors import AuthenticationError
from transship_registry.hosts import Credential, HelperSettings, HostSettings
from transship_registry.login.credentials import CredentialSources, FoundCredential
from transship_registry.login.login_files import parse_login_file, read_login_file
from transship_registry.secret import Secret

HOST = "registry.example.org"


def login(user: str, password: str = "pw") -> Credential:
    return Credential(user=user, password=Secret(password))


def identity(token: str) -> Credential:
    return Credential(token=Secret(token))


def auth(user: str, password: str = "pw") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


class Helpers:
    """Stands for the helper programs: answers by program, and a record of the questions."""

    def __init__(self, answers: Mapping[str, Credential | str | None] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, helper: HelperSettings) -> Credential | None:
        self.asked.append((helper.program, helper.host))
        answer = self.answers.get(helper.program)
        if isinstance(answer, str):
            raise AuthenticationError(f"ask credential helper {helper.program} for", helper.host, answer)
        return answer


class Machine:
    """A home, an environment, a configuration and helpers to look for credentials in."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment: dict[str, str] = {}
        self.settings: dict[str, HostSettings] = {}
        self.helpers = Helpers()
        self.skip = False
        self._sources: CredentialSources | None = None

    def write(self, name: str, document: object) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    def docker(self, document: object) -> str:
        return str(self.write(".docker/config.json", document))

    def podman(self, document: object) -> str:
        path = str(self.write("podman.json", document))
        self.environment["REGISTRY_AUTH_FILE"] = path
        return path

    def configure(self, registry: str = HOST, source: str = "", **fields: Credential | HelperSettings) -> None:
        credential, helper = fields.get("credential"), fields.get("helper")
        self.settings[registry] = HostSettings(
            registry=registry,
            credential=credential if isinstance(credential, Credential) else None,
            helper=helper if isinstance(helper, HelperSettings) else None,
            credential_source=source,
        )

    @property
    def sources(self) -> CredentialSources:
        if self._sources is None:
            self._sources = CredentialSources(self.environment, self.home, self.settings, self.skip, self.helpers)
        return self._sources

    def find(self, registry: str = HOST, path: str = "") -> FoundCredential:
        return asyncio.run(self._find(registry, path))

    async def _find(self, registry: str, path: str) -> FoundCredential:
        return await self.sources.credential_for(registry, path)

    @property
    def warnings(self) -> list[str]:
        return list(self.sources.warnings)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_anywhere_is_no_credential_and_no_warning(machine: Machine) -> None:
    assert machine.find() == FoundCredential(None, "")
    assert machine.warnings == []


class TestPrecedence:
    LAYERS: tuple[tuple[str, Callable[[Machine], object]], ...] = (
        ("docker", lambda m: m.docker({"auths": {HOST: auth("docker")}})),
        (
            "variable",
            lambda m: m.environment.update(DOCKER_AUTH_CONFIG=json.dumps({"auths": {HOST: auth("variable")}})),
        ),
        ("podman", lambda m: m.podman({"auths": {HOST: auth("podman")}})),
        ("gitlab-ci-token", lambda m: m.environment.update(CI_REGISTRY=HOST, CI_JOB_TOKEN="t")),
        (
            "imglife",
            lambda m: m.environment.update(
                IMGLIFE_REGISTRY_EXAMPLE_ORG_USERNAME="imglife", IMGLIFE_REGISTRY_EXAMPLE_ORG_PASSWORD="p"
            ),
        ),
        (
            "transship",
            lambda m: m.environment.update(
                TRANSSHIP_REGISTRY_EXAMPLE_ORG_USERNAME="transship", TRANSSHIP_REGISTRY_EXAMPLE_ORG_PASSWORD="p"
            ),
        ),
        ("configured", lambda m: m.configure(credential=login("configured"))),
    )

    @pytest.mark.parametrize("count", range(1, len(LAYERS) + 1))
    def test_each_source_overrides_those_before_it(self, machine: Machine, count: int) -> None:
        for _, add in self.LAYERS[:count]:
            add(machine)
        found = machine.find().credential
        assert found is not None
        assert found.user == self.LAYERS[count - 1][0]
        assert machine.warnings == []

    def test_a_source_for_another_registry_changes_nothing(self, machine: Machine) -> None:
        for _, add in self.LAYERS:
            add(machine)
        assert machine.find("other.example.org") == FoundCredential(None, "")

    def test_login_files_can_be_skipped(self, machine: Machine) -> None:
        for _, add in self.LAYERS[:3]:
            add(machine)
        machine.skip = True
        assert machine.find() == FoundCredential(None, "")
        assert machine.warnings == []


class TestEnvironment:
    @pytest.mark.parametrize(
        ("registry", "part"),
        [
            ("docker.io", "DOCKER_IO"),
            ("registry.example.com", "REGISTRY_EXAMPLE_COM"),
            ("registry:5000", "REGISTRY_5000"),
            ("[::1]:5000", "___1__5000"),
        ],
    )
    def test_a_registry_is_spelt_with_underscores(self, machine: Machine, registry: str, part: str) -> None:
        machine.environment = {f"IMGLIFE_{part}_USERNAME": "ada", f"IMGLIFE_{part}_PASSWORD": "pw"}
        assert machine.find(registry) == FoundCredential(
            login("ada"), f"the environment (IMGLIFE_{part}_USERNAME and IMGLIFE_{part}_PASSWORD)"
        )

    def test_the_token_wins_over_user_and_password(self, machine: Machine) -> None:
        machine.environment = {"IMGLIFE_A_IO_USERNAME": "u", "IMGLIFE_A_IO_PASSWORD": "p", "IMGLIFE_A_IO_TOKEN": "t"}
        assert machine.find("a.io") == FoundCredential(identity("t"), "the environment (IMGLIFE_A_IO_TOKEN)")
        assert machine.warnings == []

    @pytest.mark.parametrize(("given_name", "missing"), [("USERNAME", "PASSWORD"), ("PASSWORD", "USERNAME")])
    def test_half_a_login_is_ignored_with_a_warning(self, machine: Machine, given_name: str, missing: str) -> None:
        machine.environment = {f"TRANSSHIP_A_IO_{given_name}": "x", "IMGLIFE_A_IO_TOKEN": "t"}
        assert machine.find("a.io").credential == identity("t")
        assert machine.warnings == [f"TRANSSHIP_A_IO_{given_name} is ignored, for TRANSSHIP_A_IO_{missing} is not set"]

    def test_only_the_three_suffixes_count(self, machine: Machine) -> None:
        machine.environment = {"IMGLIFE_CONFIG": "x", "IMGLIFE_CONFIG_TOKENS": "x", "IMGLIFE_LOG_FORMAT": "json"}
        assert machine.find("config") == machine.find("log") == FoundCredential(None, "")

    def test_an_empty_variable_counts_as_unset(self, machine: Machine) -> None:
        machine.environment = {"IMGLIFE_A_IO_TOKEN": "", "IMGLIFE_A_IO_USERNAME": "", "CI_REGISTRY": "a.io"}
        assert machine.find("a.io") == FoundCredential(None, "")
        assert machine.warnings == []

    def test_registries_that_share_variables_are_reported(self, machine: Machine) -> None:
        machine.environment = {"IMGLIFE_A_B_IO_TOKEN": "t"}
        machine.configure("a-b.io")
        machine.find("a.b.io")
        machine.find("a-b.io")
        assert machine.warnings == [
            "a-b.io and a.b.io share the variables IMGLIFE_A_B_IO_*: each is sent the same credential"
        ]

    def test_registries_that_could_share_variables_are_no_matter_without_them(self, machine: Machine) -> None:
        machine.find("a.b.io")
        machine.find("a-b.io")
        assert machine.warnings == []

    def test_a_registry_with_a_configured_login_shares_nothing(self, machine: Machine) -> None:
        machine.environment = {"IMGLIFE_A_B_IO_TOKEN": "t"}
        machine.configure("a-b.io", credential=login("ada"))
        machine.find("a.b.io")
        machine.find("a-b.io")
        assert machine.warnings == []

    def test_a_value_that_is_not_utf_8_is_ignored_with_a_warning(self, machine: Machine) -> None:
        machine.environment = {
            "IMGLIFE_A_IO_TOKEN": os.fsdecode(b"\xff"),
            "CI_JOB_TOKEN": "\udcff",
            "CI_REGISTRY": "a.io",
        }
        assert machine.find("a.io") == FoundCredential(None, "")
        assert machine.warnings == [
            "the credential from the environment (IMGLIFE_A_IO_TOKEN) is ignored: it is not UTF-8",
            "the credential from CI_JOB_TOKEN is ignored: it is not UTF-8",
        ]

    def test_the_job_token_is_for_the_projects_own_registry(self, machine: Machine) -> None:
        machine.environment = {"CI_REGISTRY": "GitLab.example.org:5050", "CI_JOB_TOKEN": "t"}
        assert machine.find("gitlab.example.org:5050") == FoundCredential(
            login("gitlab-ci-token", "t"), "GitLab CI (CI_JOB_TOKEN)"
        )
        assert machine.find("gitlab.example.org") == FoundCredential(None, "")


class TestConfiguration:
    HELPER = HelperSettings(program="docker-credential-x", host="x.example")

    def test_a_password_drops_an_inherited_helper(self, machine: Machine) -> None:
        machine.docker({"credHelpers": {HOST: "y"}})
        machine.configure(credential=login("ada"))
        assert machine.find() == FoundCredential(login("ada"), f"the configuration of {HOST}")
        assert machine.helpers.asked == []

    def test_what_is_configured_is_from_where_it_stands(self, machine: Machine) -> None:
        place = "creds[2] (mirror.yaml:14)"
        machine.configure(source=place, credential=login("ada"), helper=self.HELPER)
        assert machine.find() == FoundCredential(login("ada"), place)
        machine.helpers.answers = {"docker-credential-x": identity("t")}
        assert machine.find() == FoundCredential(identity("t"), f"the credential helper docker-credential-x ({place})")

    def test_a_helper_drops_an_inherited_login(self, machine: Machine) -> None:
        machine.docker({"auths": {HOST: auth("ada")}})
        machine.configure(helper=self.HELPER)
        assert machine.find() == FoundCredential(None, "")
        assert machine.helpers.asked == [("docker-credential-x", "x.example")]
        assert machine.warnings == ["the credential helper docker-credential-x has no credential for x.example"]

    def test_a_helper_comes_before_the_login_beside_it(self, machine: Machine) -> None:
        machine.configure(helper=self.HELPER, credential=login("ada"))
        assert machine.find().credential == login("ada")
        machine.helpers.answers = {"docker-credential-x": identity("t")}
        assert machine.find() == FoundCredential(identity("t"), "the credential helper docker-credential-x")

    def test_the_failure_of_a_configured_helper_is_raised(self, machine: Machine) -> None:
        machine.helpers.answers = {"docker-credential-x": "boom"}
        machine.configure(helper=self.HELPER)
        with pytest.raises(AuthenticationError) as caught:
            machine.find()
        assert str(caught.value) == "ask credential helper docker-credential-x for x.example: boom"

    @pytest.mark.parametrize(
        ("credential", "warning"),
        [
            (Credential(user="ada"), "user is ignored, for pass is missing"),
            (Credential(password=Secret("pw")), "pass is ignored, for user is missing"),
        ],
    )
    def test_half_a_login_is_ignored_with_a_warning(
        self, machine: Machine, credential: Credential, warning: str
    ) -> None:
        machine.docker({"auths": {HOST: auth("docker")}})
        machine.configure(credential=credential)
        assert machine.find().credential == login("docker")
        assert machine.warnings == [f"the configuration of {HOST}: {warning}"]

    def test_settings_without_a_credential_inherit(self, machine: Machine) -> None:
        path = machine.docker({"auths": {HOST: auth("docker")}})
        machine.configure()
        assert machine.find() == FoundCredential(login("docker"), f"{path} ({HOST})")


class TestDockerConfig:
    @pytest.mark.parametrize(
        ("entry", "credential"),
        [
            (auth("ada", "p:w"), login("ada", "p:w")),
            ({**auth("ada"), "username": "bob", "password": "other"}, login("ada")),
            ({"username": "bob", "password": "other"}, login("bob", "other")),
            ({**auth("ada", ""), "identitytoken": "t"}, Credential(user="ada", token=Secret("t"))),
            ({"identitytoken": "t"}, identity("t")),
            (auth("<token>", "t"), identity("t")),
            (auth("ada", "pw\0\0"), login("ada")),
            ({"auth": auth("ada", "pw1")["auth"].rstrip("=")}, login("ada", "pw1")),
            ({}, None),
            ({"email": "ada@example.org", "auth": None}, None),
        ],
    )
    def test_an_entry_is_read_as_docker_does(
        self, machine: Machine, entry: dict[str, str], credential: Credential | None
    ) -> None:
        machine.docker({"auths": {HOST: entry}})
        assert machine.find().credential == credential
        assert machine.warnings == []

    @pytest.mark.parametrize(
        "name", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "https://registry-1.docker.io"]
    )
    def test_docker_hub_goes_by_many_names(self, machine: Machine, name: str) -> None:
        machine.docker({"auths": {name: auth("ada")}})
        assert machine.find("docker.io", "library/alpine").credential == login("ada")

    @pytest.mark.parametrize("name", [f"https://{HOST}", f"http://{HOST}/", f"https://{HOST}/v2/", HOST.upper()])
    def test_a_registry_may_be_written_as_a_url(self, machine: Machine, name: str) -> None:
        machine.docker({"auths": {name: auth("ada")}})
        assert machine.find().credential == login("ada")

    @pytest.mark.parametrize("name", [f"{HOST}/team", f"{HOST}:5000", "", "/", "no host", "https://"])
    def test_names_of_something_else_are_ignored(self, machine: Machine, name: str) -> None:
        machine.docker({"auths": {name: auth("ada")}})
        assert machine.find(path="team/app") == FoundCredential(None, "")
        assert machine.warnings == []

    def test_the_folder_may_be_another(self, machine: Machine, tmp_path: Path) -> None:
        machine.docker({"auths": {HOST: auth("home")}})
        path = machine.write("elsewhere/config.json", {"auths": {HOST: auth("elsewhere")}})
        machine.environment["DOCKER_CONFIG"] = str(tmp_path / "elsewhere")
        assert machine.find() == FoundCredential(login("elsewhere"), f"{path} ({HOST})")

    def test_the_variable_says_where_its_login_comes_from(self, machine: Machine) -> None:
        machine.environment["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {HOST: auth("ada")}})
        assert machine.find() == FoundCredential(login("ada"), f"DOCKER_AUTH_CONFIG ({HOST})")

    def test_a_helper_for_the_registry_comes_before_its_login(self, machine: Machine) -> None:
        path = machine.docker({"auths": {HOST: auth("ada")}, "credHelpers": {HOST: "ecr-login"}, "credsStore": "pass"})
        machine.helpers.answers = {"docker-credential-ecr-login": login("helped")}
        assert machine.find() == FoundCredential(
            login("helped"), f"the credential helper docker-credential-ecr-login ({path}, {HOST})"
        )
        assert machine.helpers.asked == [("docker-credential-ecr-login", HOST)]

    def test_a_helper_without_the_credential_is_a_warning(self, machine: Machine) -> None:
        path = machine.docker({"auths": {HOST: auth("ada")}, "credHelpers": {HOST: "ecr-login"}})
        assert machine.find().credential == login("ada")
        assert machine.warnings == [
            f"the credential helper docker-credential-ecr-login ({path}, {HOST}) has no credential for {HOST}"
        ]

    def test_the_failure_of_a_helper_for_the_registry_is_raised(self, machine: Machine) -> None:
        machine.docker({"credHelpers": {HOST: "ecr-login"}})
        machine.helpers.answers = {"docker-credential-ecr-login": "exit code 1"}
        with pytest.raises(AuthenticationError, match=r"^ask credential helper docker-credential-ecr-login for "):
            machine.find()

    @pytest.mark.parametrize(("registry", "host"), [(HOST, HOST), ("docker.io", "https://index.docker.io/v1/")])
    def test_the_store_is_asked_for_every_registry(self, machine: Machine, registry: str, host: str) -> None:
        path = machine.docker({"auths": {HOST: {}, "https://index.docker.io/v1/": {}}, "credsStore": "pass"})
        machine.helpers.answers = {"docker-credential-pass": login("stored")}
        assert machine.find(registry) == FoundCredential(
            login("stored"), f"the credential store docker-credential-pass ({path})"
        )
        assert machine.helpers.asked == [("docker-credential-pass", host)]

    def test_the_helper_of_docker_hub_is_told_its_url(self, machine: Machine) -> None:
        machine.docker({"credHelpers": {"docker.io": "x"}})
        machine.find("docker.io")
        assert machine.helpers.asked == [("docker-credential-x", "https://index.docker.io/v1/")]

    def test_a_store_without_the_credential_is_passed_over(self, machine: Machine) -> None:
        machine.docker({"auths": {HOST: auth("ada")}, "credsStore": "pass"})
        assert machine.find().credential == login("ada")
        assert machine.warnings == []

    def test_a_store_that_fails_is_a_warning(self, machine: Machine) -> None:
        """A config.json that came from a desktop names a store that a build machine does not have."""
        machine.docker({"credsStore": "desktop"})
        machine.helpers.answers = {"docker-credential-desktop": "it cannot be run"}
        assert machine.find() == machine.find() == FoundCredential(None, "")
        assert machine.warnings == [f"ask credential helper docker-credential-desktop for {HOST}: it cannot be run"]


class TestPodman:
    def test_the_most_specific_name_wins(self, machine: Machine) -> None:
        path = machine.podman(
            {
                "auths": {
                    HOST: auth("host"),
                    f"{HOST}/team": auth("team"),
                    f"{HOST}/team/app": auth("app"),
                    "docker.io/library": auth("library"),
                }
            }
        )
        assert machine.find(path="team/app") == FoundCredential(login("app"), f"{path} ({HOST}/team/app)")
        assert machine.find(path="team/other") == FoundCredential(login("team"), f"{path} ({HOST}/team)")
        assert machine.find(path="teams/app").credential == login("host")
        assert machine.find().credential == login("host")
        assert machine.find("docker.io", "library/alpine").credential == login("library")
        assert machine.find("docker.io", "ada/app").credential is None

    def test_the_runtime_folder_is_the_usual_place(self, machine: Machine, tmp_path: Path) -> None:
        machine.environment["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
        machine.write("run/containers/auth.json", {"auths": {HOST: auth("ada")}})
        assert machine.find().credential == login("ada")

    def test_a_named_file_replaces_the_usual_place(self, machine: Machine, tmp_path: Path) -> None:
        machine.environment["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
        machine.write("run/containers/auth.json", {"auths": {HOST: auth("ada")}})
        machine.podman({})
        assert machine.find() == FoundCredential(None, "")

    def test_a_named_file_must_be_there(self, machine: Machine) -> None:
        machine.environment["REGISTRY_AUTH_FILE"] = "/nowhere/auth.json"
        assert machine.find() == FoundCredential(None, "")
        assert machine.warnings == ["/nowhere/auth.json cannot be read: No such file or directory"]

    def test_its_helpers_know_docker_hub_by_its_name(self, machine: Machine) -> None:
        machine.podman({"credHelpers": {"docker.io": "x"}, "credsStore": "pass"})
        machine.find("docker.io")
        assert machine.helpers.asked == [("docker-credential-x", "docker.io"), ("docker-credential-pass", "docker.io")]


class TestUnusableFiles:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "is ignored: Input data was truncated"),
            ("{", "is ignored: Input data was truncated"),
            ("[]", "is ignored: Expected `object`, got `array`"),
            ('{"auths": []}', "is ignored: Expected `object | null`, got `array` - at `$.auths`"),
            ('{"credsStore": 1}', "is ignored: Expected `str | null`, got `int` - at `$.credsStore`"),
            ('{"x":' + "[" * 100_000, "is ignored: JSON is nested too deeply"),
            (" " * (4 * 1024 * 1024 + 1), "is larger than 4194304 bytes and is ignored"),
        ],
    )
    def test_a_broken_file_is_a_warning_and_the_others_serve(self, machine: Machine, text: str, reason: str) -> None:
        path = machine.podman(text)
        machine.docker({"auths": {HOST: auth("ada")}})
        assert machine.find().credential == login("ada")
        assert machine.warnings == [f"{path} {reason}"]

    def test_a_file_that_is_not_utf_8_is_a_warning(self, machine: Machine) -> None:
        machine.environment["DOCKER_AUTH_CONFIG"] = '{"credsStore": "\udcff"}'
        machine.find()
        assert machine.warnings == ["DOCKER_AUTH_CONFIG is ignored: byte 0xff is not UTF-8"]

    def test_a_folder_in_place_of_a_file_is_a_warning(self, tmp_path: Path) -> None:
        assert read_login_file(tmp_path).problems == (f"{tmp_path} cannot be read: Is a directory",)

    def test_a_file_that_may_not_be_read_is_a_warning(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("transship_registry.login.login_files.open_input", refuse)
        path = tmp_path / "config.json"
        assert read_login_file(path).problems == (f"{path} cannot be read: Permission denied",)

    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            ({"auth": "%%%"}, "auth is not base64 of user:password"),
            ({"auth": "YWRh"}, "auth is not base64 of user:password"),
            ({"auth": "/////w=="}, "auth is not base64 of user:password"),
            ({"auth": "\u00e9"}, "auth is not base64 of user:password"),
            ({"username": "ada"}, "user or password is missing"),
            ({"password": "s3cret"}, "user or password is missing"),
            ({"auth": 1}, "Expected `str | null`, got `int` - at `$.auth`"),
            ("s3cret", "Expected `object`, got `str`"),
        ],
    )
    def test_a_broken_entry_is_a_warning_and_the_others_serve(
        self, machine: Machine, entry: object, reason: str
    ) -> None:
        path = machine.docker({"auths": {"broken.example": entry, HOST: auth("ada")}})
        assert machine.find().credential == login("ada")
        assert machine.warnings == [f"{path}: the login for 'broken.example' is ignored: {reason}"]

    @pytest.mark.parametrize("suffix", ["../evil", "a b", "-x", 5, "nul\0"])
    def test_a_helper_that_is_no_name_is_never_run(self, machine: Machine, suffix: object) -> None:
        path = machine.docker({"credHelpers": {HOST: suffix}})
        assert machine.find() == FoundCredential(None, "")
        assert machine.helpers.asked == []
        assert machine.warnings == [f"{path}: credHelpers for '{HOST}' is ignored: {suffix!r} does not name a helper"]

    def test_files_are_read_once_and_only_when_needed(self, machine: Machine) -> None:
        assert machine.warnings == []
        path = machine.docker("{")
        machine.find()
        Path(path).write_text(json.dumps({"auths": {HOST: auth("late")}}))
        assert machine.find("b.example") == FoundCredential(None, "")
        assert machine.warnings == [f"{path} is ignored: Input data was truncated"]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(["auth", "username", "password", "identitytoken", HOST, "docker.io", f"{HOST}/a"])
            | st.text(),
            values,
            max_size=4,
        )
    ),
)


@given(
    st.binary()
    | st.fixed_dictionaries({}, optional={"auths": _VALUES, "credHelpers": _VALUES, "credsStore": _VALUES}).map(
        lambda document: json.dumps(document).encode()
    ),
    st.booleans(),
)
@example(b'{"auths": {"docker.io": {"auth": "Og=="}}}', False)
def test_any_login_file_is_read_without_an_error(data: bytes, namespaced: bool) -> None:
    file = parse_login_file(data, "x", namespaced=namespaced)
    assert all(credential.is_usable for credential in file.logins.values())
    assert all(helper.program.startswith("docker-credential-") for helper in file.helpers.values())


@given(
    st.from_regex(r"[a-z0-9]{1,10}(\.[a-z]{2,5})?(:[1-9][0-9]{1,3})?", fullmatch=True),
    st.text(alphabet=st.characters(blacklist_characters=":\0", blacklist_categories=["Cs"]), min_size=1).filter(
        lambda user: user != "<token>"
    ),
    st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1),
)
def test_what_docker_login_writes_is_found_again(registry: str, user: str, password: str) -> None:
    file = parse_login_file(json.dumps({"auths": {registry: auth(user, password)}}).encode(), "x")
    assert [file.logins[key] for key in file.keys(registry, "a/b")] == [login(user, password)]


def test_secrets_do_not_show(machine: Machine) -> None:
    machine.docker({"auths": {HOST: auth("ada", "s3cret")}})
    assert "s3cret" not in repr(machine.find())
    assert "s3cret" not in repr(machine.sources)
