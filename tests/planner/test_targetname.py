"""Names below a target: what `target_name` gives for each type of entry, and what it may not give."""

import asyncio
from dataclasses import replace

import pytest

from support import images, wishes
from support.memory_registry import MemoryRegistry
from transship_planner.desired import Entry, RegistryScope
from transship_planner.gotemplate import Environment, Template, configuration_functions
from transship_planner.names.naming import Named, could_be_named, name_target
from transship_planner.names.targetname import TargetName
from transship_planner.observation.observe import observe
from transship_planner.observation.observed import Observed
from transship_planner.tags.tagrules import Selection
from transship_registry.digest import Digest
from transship_registry.errors import InvalidReferenceError
from transship_registry.ports import TagList
from transship_registry.reference import Reference, Repository


def template(text: str) -> TargetName:
    functions = configuration_functions(Environment(lambda _: None, lambda _: b""))
    return TargetName(text, Template.parse(text, functions=functions))


def repository(text: str) -> Entry:
    entry = wishes.repository("src.io/team/app", "dst.io/mirror/app")
    return replace(entry, target_name=template(text))


def registry(text: str) -> Entry:
    return replace(repository(text), scope=RegistryScope("src.io", "dst.io/mirror", (), (), Selection()))


def named(entry: Entry, source: str, target: str, *tags: str) -> Named:
    return name_target(entry, Reference.parse(source), Repository.parse(target), TagList(tags).whole("tag list"))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        pytest.param("{{ .Tag }}-mirrored", "dst.io/mirror/app:v1.2-mirrored", id="add a suffix"),
        pytest.param('{{ index (split .Tag "v") 1 }}', "dst.io/mirror/app:1.2", id="strip a prefix"),
        pytest.param("upstream/{{ .Tag }}:latest", "dst.io/mirror/app/upstream/v1.2:latest", id="further below"),
        pytest.param('{{ join (split .Repository "/") "-" }}-{{ .Tag }}', "dst.io/mirror/app:team-app-v1.2", id="flat"),
        pytest.param(' {{ index (split .Source ":") 1 }}\n', "dst.io/mirror/app:v1.2", id="from the source"),
    ],
)
def test_a_tag_of_a_repository(text: str, target: str) -> None:
    """For type repository the template names the tag, or a repository below with its tag."""
    assert str(named(repository(text), "src.io/team/app:v1.2", "dst.io/mirror/app").target) == target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        pytest.param('{{ join (split .Repository "/") "-" }}', "dst.io/mirror/team-app:v1.2", id="flatten"),
        pytest.param("hub/{{ .Repository }}", "dst.io/mirror/hub/team/app:v1.2", id="add a prefix"),
        pytest.param('{{ index (split .Repository "/") 1 }}', "dst.io/mirror/app:v1.2", id="strip a prefix"),
        pytest.param("all:{{ .Tag }}-{{ len .Repository }}", "dst.io/mirror/all:v1.2-8", id="all in one repository"),
    ],
)
def test_a_repository_of_a_registry(text: str, target: str) -> None:
    """For type registry the template names the repository, whose tag stays, or repository and tag."""
    assert str(named(registry(text), "src.io/team/app:v1.2", "dst.io/mirror/team/app").target) == target


def test_the_operating_system_comes_first() -> None:
    """`os_normalize` names the tag that the template sees."""
    entry = replace(repository("x-{{ .Tag }}"), os_normalize=True)
    name = named(entry, "src.io/team/app:alpine3.21", "dst.io/mirror/app", "alpine3.21", "1.22-alpine3.21")
    assert str(name.target) == "dst.io/mirror/app:x-1.22-alpine3.21"


def test_the_version_is_that_of_the_tag_with_the_same_content() -> None:
    """As far as digests are known."""
    entry = replace(wishes.repository("src.io/app", "dst.io/app"), os_normalize=True)
    same, other = Digest.of(b"same"), Digest.of(b"other")
    digests = {"alpine": same, "1.21-alpine": same, "1.22-alpine": other}
    found = name_target(
        entry,
        Reference.parse("src.io/app:alpine"),
        Repository.parse("dst.io/app"),
        TagList(tuple(digests)).whole("list"),
        digests,
    )
    assert found == Named(Reference.parse("dst.io/app:1.21-alpine"), ("os_normalize",))


def test_an_operating_system_keeps_its_name_where_nobody_asks() -> None:
    """`os_normalize` is off unless it is on."""
    entry = wishes.repository("src.io/app", "dst.io/app")
    found = named(entry, "src.io/app:alpine", "dst.io/app", "alpine", "1.22-alpine")
    assert found == Named(Reference.parse("dst.io/app:alpine"))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{{ .Digest }}", "can't evaluate field Digest in type TargetName"),
        ("{{ .Source }}-{{ .Repository }}-{{ .Tag }}", ""),
        ("{{ index .Tag 99 }}", ""),
    ],
)
def test_a_field_that_no_tag_has_is_known_before_there_are_tags(text: str, wrong: str) -> None:
    """What fails for some values only is not."""
    assert template(text).unknown_field() == wrong


def test_a_template_is_what_was_written() -> None:
    """Two entries with the same text have the same rule, and show it."""
    assert template("{{ .Tag }}") == template("{{ .Tag }}")
    assert template("{{ .Tag }}") != template("{{ .Source }}")
    assert repr(template("{{ .Tag }}")) == "TargetName(text='{{ .Tag }}')"


def test_without_a_template_the_names_stay() -> None:
    """A tag keeps its name below the target."""
    plain = replace(repository("x"), target_name=None)
    assert str(named(plain, "src.io/team/app:v1.2", "dst.io/mirror/app").target) == "dst.io/mirror/app:v1.2"
    one = replace(wishes.image("src.io/a:1", "dst.io/a:2"), target_name=template("x"), os_normalize=True)
    assert named(one, "src.io/a:1", "dst.io/a") == Named(Reference.parse("dst.io/a:2"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            repository("a b"),
            "src.io/team/app:v1: target_name gives no reference: tag 'a b' is malformed: "
            "expected up to 128 letters, digits, _ . -, and none of . - first",
        ),
        (
            registry("{{ .Tag | upper }}"),
            "src.io/team/app:v1: target_name gives no reference: reference 'dst.io/mirror/V1': "
            "repository 'mirror/V1' must be lowercase",
        ),
        (
            repository("{{ .Digest }}"),
            "src.io/team/app:v1: target_name fails: can't evaluate field Digest in type TargetName",
        ),
    ],
)
def test_a_name_that_cannot_be(entry: Entry, message: str) -> None:
    """The error names the source tag and what is wrong with its name."""
    with pytest.raises(InvalidReferenceError) as caught:
        named(entry, "src.io/team/app:v1", "dst.io/mirror/app")
    assert str(caught.value) == message


NORMALISED = replace(wishes.repository("src.io/app", "dst.io/app"), os_normalize=True)
BOTH = replace(NORMALISED, target_name=template("x-{{ .Tag }}"))


@pytest.mark.parametrize(
    ("entry", "tag", "name", "fits"),
    [
        pytest.param(NORMALISED, "alpine", "1.22-alpine", True, id="any version in front"),
        pytest.param(NORMALISED, "alpine", "v1.22.0-alpine", True, id="with v"),
        pytest.param(NORMALISED, "alpine", "alpine", True, id="no version was there"),
        pytest.param(NORMALISED, "alpine", "edge-alpine", False, id="no version"),
        pytest.param(NORMALISED, "alpine", "1.22-rc1-alpine", False, id="a pre-release"),
        pytest.param(NORMALISED, "alpine", "1.22-alpine3.21", False, id="another system"),
        pytest.param(NORMALISED, "alpine3.21", "1.22-alpine3x21", False, id="a dot is a dot"),
        pytest.param(NORMALISED, "alpine", "1.22-alpine-extra", False, id="more behind"),
        pytest.param(NORMALISED, "latest", "1.22-latest", False, id="no system"),
        pytest.param(replace(NORMALISED, os_normalize=False), "alpine", "1.22-alpine", False, id="off"),
        pytest.param(BOTH, "alpine", "x-1.22-alpine", True, id="both"),
        pytest.param(BOTH, "alpine", "1.22-alpine", False, id="half"),
        pytest.param(replace(NORMALISED, target_name=template("{{ .Nope }}")), "alpine", "alpine", False, id="fails"),
    ],
)  # fmt: skip
def test_whether_a_tag_could_be_named_so(entry: Entry, tag: str, name: str, *, fits: bool) -> None:
    """Whatever other tags its repository has."""
    target = Repository.parse("dst.io/app")
    assert could_be_named(entry, Reference.parse(f"src.io/app:{tag}"), target, target.tag(name)) is fits


def test_a_single_image_is_named_by_its_entry() -> None:
    """Not by its source."""
    entry = wishes.image("src.io/app:1", "dst.io/app:2")
    source, target = Reference.parse("src.io/app:1"), Repository.parse("dst.io/app")
    assert could_be_named(entry, source, target, target.tag("2"))
    assert not could_be_named(entry, source, target, target.tag("1"))


def look(world: MemoryRegistry, *entries: Entry, missing: bool = False) -> Observed:
    return asyncio.run(observe(wishes.desired(*entries), world, missing=missing, contents=False))


def test_planning_uses_the_names() -> None:
    """Targets are looked for under the names that the template gives, in each of its repositories."""
    world = MemoryRegistry()
    for tag in ("v1", "v2"):
        world.seed(f"src.io/team/app:{tag}", images.single(tag))
    world.seed("dst.io/mirror/app/v1:latest", images.single("v1"))
    observed = look(world, repository("{{ .Tag }}:latest"), missing=True)
    assert len(observed.existing) == 1
    assert [str(seen.wish.target) for seen in observed.sightings] == ["dst.io/mirror/app/v2:latest"]


def test_planning_tells_a_name_that_cannot_be() -> None:
    """It is a trouble of that tag, and the others go on."""
    world = MemoryRegistry()
    for tag in ("v1", "w2"):
        world.seed(f"src.io/team/app:{tag}", images.single(tag))
    observed = look(world, repository('{{ index (split .Tag "v") 1 }}'))
    assert [str(seen.wish.target) for seen in observed.sightings] == ["dst.io/mirror/app:1"]
    (trouble,) = observed.troubles
    assert (trouble.entry, trouble.reference) == ("sync[0]", "src.io/team/app:w2")
    assert trouble.message.startswith("src.io/team/app:w2: target_name fails: ")
