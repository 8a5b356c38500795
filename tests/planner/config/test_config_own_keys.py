"""The keys of transship's own.

semverSuffix, keep_last per group, min_tags, immutable_tags, target_name, min_age, creds[].hubApi, and the patience with
hosts: connectTimeout, stallTimeout, tries.
"""

import pytest

from transship_planner.config import config_digest, loads
from transship_planner.desired import Comparison, Desired, Entry, RegistryScope, RepositoryScope
from transship_planner.errors import ConfigError
from transship_planner.tags.tagrules import Selection, TagPattern
from transship_planner.tags.versions import Group, Suffix
from transship_registry.hosts import Patience


def desired(text: str) -> Desired:
    return loads(text.encode(), file="c.yaml", environment={})


def entry(keys: str, defaults: str = "") -> Entry:
    """Load an entry of type repository with these keys."""
    text = f"{{defaults: {{{defaults}}}, sync: [{{source: a, target: 'r:1/a', type: repository, {keys}}}]}}"
    return desired(text).entries[0]


def selection(keys: str, defaults: str = "") -> Selection:
    scope = entry(keys, defaults).scope
    assert isinstance(scope, RepositoryScope)
    return scope.selection


def suffixes(keys: str, defaults: str = "") -> list[Suffix]:
    """Return how the ranges of each set read suffixes, in their order."""
    return [semver.suffix for tag_set in selection(keys, defaults).sets for semver in tag_set.semver]


@pytest.mark.parametrize(
    ("keys", "defaults", "expected"),
    [
        ("tags: {semverRange: ['>=1']}", "", [Suffix.PRERELEASE]),
        ("tags: {semverRange: ['>=1'], semverSuffix: variant}", "", [Suffix.VARIANT]),
        ("tags: {semverRange: ['>=1']}, semverSuffix: variant", "", [Suffix.VARIANT]),
        ("tags: {semverRange: ['>=1']}", "semverSuffix: variant", [Suffix.VARIANT]),
        ("tags: {semverRange: ['>=1']}, semverSuffix: prerelease", "semverSuffix: variant", [Suffix.PRERELEASE]),
        (
            "tagSets: [{semverRange: ['>=1']}, {semverRange: ['>=2'], semverSuffix: prerelease}]",
            "semverSuffix: variant",
            [Suffix.VARIANT, Suffix.PRERELEASE],
        ),
    ],
)
def test_the_nearest_suffix_rule_counts(keys: str, defaults: str, expected: list[Suffix]) -> None:
    """A set's word goes before the entry's, and that before the defaults'; without any a suffix is a pre-release."""
    assert suffixes(keys, defaults) == expected


def test_a_variant_is_in_its_range() -> None:
    """`semverSuffix: variant` answers the question of regclient#1041."""
    tags = ["3.21-rfcurated", "3.22-rfcurated", "3.22-rc1"]
    assert selection("tags: {semverRange: ['>=3.22']}").select(tags) == ()
    rules = selection("tags: {semverRange: ['>=3.22'], semverSuffix: variant}")
    assert rules.select(tags) == ("3.22-rfcurated",)


@pytest.mark.parametrize(
    ("keys", "count", "per"),
    [
        ("keep_last: 2", 2, Group.ALL),
        ("keep_last: '2'", 2, Group.ALL),
        ("keep_last: {count: 2}", 2, Group.ALL),
        ("keep_last: {per: minor, count: 2}", 2, Group.MINOR),
        ("keep_last: {per: major, count: 0}", 0, Group.MAJOR),
        ("keep_last: {per: variant, count: 1}", 1, Group.VARIANT),
    ],
)
def test_keep_last_is_a_number_or_says_of_what(keys: str, count: int, per: Group) -> None:
    """The mapping says of which groups the newest are kept."""
    rules = selection(keys)
    assert (rules.keep_last, rules.per) == (count, per)


def test_keep_last_per_minor() -> None:
    """The newest of each minor version stay, in order from new to old."""
    rules = selection("tags: {semverRange: ['>=1']}, keep_last: {per: minor, count: 1}")
    assert rules.select(["1.20.1", "1.20.2", "1.21.0", "edge", "1.21.5"]) == ("1.21.5", "1.20.2")


def test_counts_are_inherited() -> None:
    """`min_tags` stands in `defaults`, and an entry may switch it off."""
    assert selection("", "min_tags: 3").min_tags == 3
    assert selection("min_tags: 0", "min_tags: 3").min_tags == 0
    assert selection("").min_tags == 0


def test_immutable_tags_need_not_be_compared() -> None:
    """A target tag that matches as a whole is up to date when it exists; the others are compared as ever."""
    rules = entry("", r"immutable_tags: ['v?\d+\.\d+\.\d+']").copy
    assert rules.immutable_tags == (TagPattern(r"v?\d+\.\d+\.\d+"),)
    assert rules.comparison_of("1.2.3") is Comparison.EXISTENCE
    assert rules.comparison_of("1.2.3-rc1") is Comparison.DIGEST
    assert entry("").copy.comparison_of("1.2.3") is Comparison.DIGEST
    assert entry("check_digest: false").copy.comparison_of("latest") is Comparison.EXISTENCE


def test_target_name_is_kept_as_a_template() -> None:
    """It is expanded for each tag, when the tags are known."""
    name = entry("target_name: 'x-{{ .Tag }}'").target_name
    assert name is not None
    assert name.text == "x-{{ .Tag }}"
    assert entry("target_name: ''", "target_name: 'x-{{ .Tag }}'").target_name is None


def test_a_registry_has_them_too() -> None:
    """The keys go with every repository of a registry."""
    text = (
        "sync: [{source: 'r:1', target: 'r:2', type: registry, tags: {semverRange: ['>=1']}, "
        "semverSuffix: variant, keep_last: {per: major, count: 1}, min_tags: 1}]"
    )
    scope = desired(text).entries[0].scope
    assert isinstance(scope, RegistryScope)
    assert (scope.selection.per, scope.selection.min_tags) == (Group.MAJOR, 1)
    assert scope.selection.sets[0].semver[0].suffix is Suffix.VARIANT


def test_a_ratelimit_beyond_all_numbers_can_be_planned() -> None:
    """Plans hold no number above 2⁵³ - 1; nobody has as many pulls, so that it means the same."""
    assert entry("ratelimit: {min: 9007199254740993}").timing.ratelimit_min == 2**53 - 1


def test_an_image_does_not_need_them() -> None:
    """What has no effect beside one tag is warned about where it is written, and not where it is inherited."""
    keys = "keep_last: {count: 2}, semverSuffix: variant, min_tags: 1, target_name: x"
    text = f"sync: [{{source: a, target: 'r:1/a', type: image, {keys}}}]"
    assert [finding.message for finding in desired(text).warnings] == [
        f"sync[0].{key} has no effect on an entry of type 'image'"
        for key in ("keep_last", "semverSuffix", "min_tags", "target_name")
    ]
    inherited = "{defaults: {min_tags: 1, target_name: x}, sync: [{source: a, target: 'r:1/a', type: image}]}"
    assert desired(inherited).warnings == ()
    beside_tag = f"sync: [{{source: a, target: 'r:1/a', tag: x, repos: {{deny: [b]}}, {keys}}}]"
    assert [finding.message for finding in desired(beside_tag).warnings] == [
        f"sync[0].{key} has no effect beside 'tag'"
        for key in ("repos", "keep_last", "semverSuffix", "min_tags", "target_name")
    ]
    inherited = "{defaults: {min_tags: 1, target_name: x}, sync: [{source: a, target: 'r:1/a', tag: x}]}"
    assert desired(inherited).warnings == ()


@pytest.mark.parametrize(
    "keys",
    [
        "semverSuffix: variant",
        "keep_last: {per: minor, count: 2}",
        "min_tags: 1",
        "immutable_tags: ['1.*']",
        "target_name: 'x-{{ .Tag }}'",
        "min_age: 7d",
    ],
)
def test_each_counts_for_the_digest(keys: str) -> None:
    """A plan is not applied under other rules than it was made with."""
    text = "sync: [{source: a, target: 'r:1/a', type: repository, tags: {semverRange: ['>=1']}, %s}]"
    assert config_digest(desired(text % keys)) != config_digest(desired(text % "keep_last: 0"))


@pytest.mark.parametrize(
    ("keys", "defaults", "seconds"),
    [
        ("min_age: 7d", "", 604800.0),
        ("min_age: 1d12h", "", 129600.0),
        ("min_age: 0.5d", "", 43200.0),
        ("min_age: 90s", "", 90.0),
        ("", "min_age: 2d", 172800.0),
        ("min_age: 36h", "min_age: 2d", 129600.0),
        ("min_age: ''", "min_age: 2d", 0.0),
        ("min_age: 0d", "min_age: 2d", 0.0),
        ("", "", 0.0),
    ],
)
def test_min_age_is_a_duration_with_days(keys: str, defaults: str, seconds: float) -> None:
    """It is inherited, and switched off by an empty text or nothing of any unit."""
    assert entry(keys, defaults).min_age_s == seconds


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("'7'", "'7' has no unit; write '7d' for days or '7h' for hours"),
        ("7", "'7' has no unit; write '7d' for days or '7h' for hours"),
        ("7 days", "'7 days' is no duration; write it like '7d', '36h' or '1d12h'"),
        ("-7d", "expected a duration such as '7d' or '36h', found the string '-7d'"),
        ("200000d", "'200000d' is longer than the 292 years a duration can hold"),
        ("[7d]", "expected a duration such as '7d' or '36h', found a list"),
    ],
)
def test_a_min_age_that_is_none(value: str, problem: str) -> None:
    """The message speaks of days, as people write them here."""
    with pytest.raises(ConfigError) as caught:
        entry(f"min_age: {value}")
    assert str(caught.value).endswith(f"sync[0].min_age: {problem}")


def test_days_are_for_min_age_alone() -> None:
    """Everywhere else a duration is Go's, which has no days."""
    with pytest.raises(ConfigError) as caught:
        entry("interval: 7d")
    assert str(caught.value).endswith("sync[0].interval: '7d' is no duration; write it like '90s', '15m' or '1h15m'")


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ("", None),
        ("hubApi: ''", ""),
        ("hubApi: https://hub.example.com", "https://hub.example.com"),
        ("hubApi: 'http://[::1]:5000/hub/'", "http://[::1]:5000/hub/"),
    ],
)
def test_where_docker_hubs_api_is(keys: str, url: str | None) -> None:
    """A URL, nothing to do without it, or no word on it."""
    (host,) = desired(f"creds: [{{registry: docker.io, {keys}}}]").hosts
    assert host.hub_api == url


def test_the_last_word_on_docker_hubs_api_counts() -> None:
    """Of two settings of one registry the later one may also switch it off."""
    creds = "{registry: docker.io, hubApi: 'https://h.example'}, {registry: docker.io, hubApi: ''}"
    (host,) = desired(f"creds: [{creds}]").hosts
    assert host.hub_api == ""


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        *(
            (url, "expected a URL such as 'https://hub.docker.com' without user and query, or an empty text")
            for url in ("hub.docker.com", "ftp://h.example", "https://h.example/?a=b", "https://me:hunter2@h.example")
        ),
        ("https://h.example:99999", "registry name 'h.example:99999' is malformed: expected host[:port]"),
        ("https://-", "registry name '-' is malformed: expected host[:port]"),
    ],
)
def test_a_hub_api_that_is_no_url(url: str, problem: str) -> None:
    """It is refused when the file is loaded, and not shown, since it may hold a password."""
    with pytest.raises(ConfigError) as caught:
        desired(f"creds: [{{registry: docker.io, hubApi: '{url}'}}]")
    assert str(caught.value).endswith(f"creds[0].hubApi: {problem}")
    assert "hunter2" not in str(caught.value)


def test_the_patience_with_a_host_is_its_own_or_that_of_the_defaults() -> None:
    """Each of the three for itself; a registry that only `insecure_registries` names has the defaults' too."""
    found = desired(
        "{defaults: {connectTimeout: 5s, tries: 2}, registry: {insecure_registries: ['r:3']}, "
        "creds: [{registry: 'r:1', stallTimeout: 90s, tries: 7}, {registry: 'r:2'}]}"
    )
    assert found.patience == Patience(connect_timeout_s=5, tries=2)
    assert [host.patience for host in found.hosts] == [
        Patience(connect_timeout_s=5, stall_timeout_s=90, tries=7),
        Patience(connect_timeout_s=5, tries=2),
        Patience(connect_timeout_s=5, tries=2),
    ]
    assert desired("sync: []").patience == Patience(connect_timeout_s=30, stall_timeout_s=60, tries=5)


def test_of_two_items_for_one_registry_the_later_word_on_patience_counts() -> None:
    """As with all settings of a registry (B17.1)."""
    (host,) = desired("creds: [{registry: r, tries: 7, stallTimeout: 5s}, {registry: r, tries: 2}]").hosts
    assert host.patience == Patience(stall_timeout_s=5, tries=2)


@pytest.mark.parametrize("place", ["defaults: {%s}", "creds: [{registry: r, %s}]"])
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("connectTimeout: 99ms", "expected a duration from '0.1s' to '10m', found the string '99ms'"),
        ("connectTimeout: 11m", "expected a duration from '0.1s' to '10m', found the string '11m'"),
        ("connectTimeout: 0s", "expected a duration from '0.1s' to '10m', found the string '0s'"),
        ("connectTimeout: 30", "'30' has no unit; write '30s' for seconds or '30m' for minutes"),
        ("stallTimeout: -1s", "expected a duration from '0.1s' to '1h', found the string '-1s'"),
        ("stallTimeout: 2h", "expected a duration from '0.1s' to '1h', found the string '2h'"),
        ("tries: 0", "expected a whole number from 1 to 20, found the number 0"),
        ("tries: 21", "expected a whole number from 1 to 20, found the number 21"),
    ],
)
def test_a_patience_out_of_range_is_an_error(place: str, keys: str, message: str) -> None:
    """It names the range."""
    with pytest.raises(ConfigError) as caught:
        desired(f"{{{place % keys}, sync: []}}")
    (finding,) = caught.value.findings
    path = "defaults" if place.startswith("defaults") else "creds[0]"
    assert finding.message == f"{path}.{keys.partition(':')[0]}: {message}"


def test_the_digest_of_a_configuration_leaves_patience_out() -> None:
    """What is wanted does not depend on it."""
    assert config_digest(desired("creds: [{registry: r, tries: 2}]")) == config_digest(
        desired("creds: [{registry: r}]")
    )
