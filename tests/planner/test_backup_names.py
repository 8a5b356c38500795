"""Where an image is kept before it is replaced: what the template sees, and what it may not give (semantics B6.4)."""

import pytest

from transship_planner.gotemplate import Object, Template
from transship_planner.names.backup import BackupRule
from transship_registry.digest import Digest
from transship_registry.errors import InvalidReferenceError
from transship_registry.reference import Reference

TARGET = Reference.parse("dst.io/team/app:v1.2")
LAYOUT = Reference.parse("ocidir://mirror/app:v1.2")
DIGEST = Digest.of(b"image")


def kept(text: str, target: Reference = TARGET) -> str:
    """Return where a template keeps what a target names."""
    rule = BackupRule(Template.parse(text), Object("Sync", {"Source": "src.io/app"}))
    return str(rule.reference_for(target))


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("old", "dst.io/team/app:old"),
        (" old-{{ .Ref.Tag }}\n", "dst.io/team/app:old-v1.2"),
        ("attic.io/app:{{ .Ref.Tag }}", "attic.io/app:v1.2"),
        ("{{ .Ref.Registry }}/attic/{{ .Ref.Repository }}:{{ .Ref.Tag }}", "dst.io/attic/team/app:v1.2"),
        ("attic.io/{{ .Sync.Source }}:1", "attic.io/src.io/app:1"),
        ("attic.io/{{ .Step.Source }}:1", "attic.io/src.io/app:1"),
        ("ocidir://attic:1", "ocidir://attic:1"),
        ("attic:1", "docker.io/library/attic:1"),
        ("attic.io/app", "attic.io/app:latest"),
    ],
)
def test_a_tag_beside_the_target_or_a_full_reference(text: str, reference: str) -> None:
    """A word is a tag; with a colon or a slash it is a reference."""
    assert kept(text) == reference


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (TARGET, f"reg|{TARGET}|dst.io|team/app|v1.2|||"),
        (LAYOUT, f"ocidir|{LAYOUT}|||v1.2||mirror/app|"),
        (TARGET.repository.at(DIGEST), f"reg|dst.io/team/app@{DIGEST}|dst.io|team/app||||"),
    ],
    ids=["registry", "layout", "digest"],
)
def test_what_the_template_sees_of_the_target(target: Reference, words: str) -> None:
    """As in regsync; what a kind of target does not have is empty."""
    names = ("Scheme", "Reference", "Registry", "Repository", "Tag", "Digest", "Path")
    text = "".join(f"{{{{ .Ref.{name} }}}}|" for name in names)
    rule = BackupRule(Template.parse(text), None)
    assert rule.template.execute(rule._data(target)) == words  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "{{ .Nope }}",
            'fails: template: :1:4: executing "" at <.Nope>: can\'t evaluate field Nope in type TemplateData',
        ),
        (
            "{{ .Ref.Nope }}",
            'fails: template: :1:8: executing "" at <.Ref.Nope>: can\'t evaluate field Nope in type Ref',
        ),
        (f"attic.io/app@{DIGEST}", f"gives 'attic.io/app@{DIGEST}', expected a tag, without digest"),
        (f"attic.io/app:1@{DIGEST}", f"gives 'attic.io/app:1@{DIGEST}', expected a tag, without digest"),
        ("{{ .Ref.Tag }}", "gives the target itself"),
        ("{{ .Ref.Reference }}", "gives the target itself"),
    ],
)
def test_what_names_no_place_to_keep_an_image_is_refused(text: str, problem: str) -> None:
    """Each with the target and what is wrong."""
    with pytest.raises(InvalidReferenceError) as caught:
        kept(text)
    assert str(caught.value) == f"{TARGET}: the backup template {problem}"


def could_be_kept(text: str, kept_as: str) -> bool:
    """Tell whether a template may keep the target there, at this or another time."""
    return BackupRule(Template.parse(text), None).could_give(Reference.parse(kept_as), TARGET)


@pytest.mark.parametrize(
    ("kept_as", "fits"),
    [
        ("dst.io/team/app:v1.2-1999-12-31", True),
        ("dst.io/team/app:v1.2-31", False),
        ("dst.io/team/other:v1.2-1999-12-31", False),
        ("dst.io/team/app:other-1999-12-31", False),
    ],
)
def test_a_template_with_the_time_gives_other_names_at_other_times(kept_as: str, *, fits: bool) -> None:
    """Only what the time changes may differ."""
    assert could_be_kept('{{ .Ref.Tag }}-{{ time.Now.Format "2006-01-02" }}', kept_as) is fits


@pytest.mark.parametrize("kept_as", ["old-Jan", "old-December", "old-may", "old-Tuesday", "old-Wed", "old-PM", "old-2"])
def test_the_time_changes_the_names_of_months_and_days(kept_as: str) -> None:
    assert could_be_kept('old-{{ time.Now.Format "January" }}', f"dst.io/team/app:{kept_as}")
    assert not could_be_kept('old-{{ time.Now.Format "January" }}', "dst.io/team/app:old-Janus")


def test_a_template_without_the_time_gives_one_name() -> None:
    """A number is then one that was written."""
    assert could_be_kept("old-1", "dst.io/team/app:old-1")
    assert not could_be_kept("old-1", "dst.io/team/app:old-2")


def test_a_template_that_fails_gives_nothing_at_any_time() -> None:
    with pytest.raises(InvalidReferenceError, match="the backup template fails"):
        could_be_kept("{{ .Nope }}", "dst.io/team/app:old-1")
