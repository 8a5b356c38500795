"""index.json: finding, naming and keeping entries, without a disk."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship_registry.digest import Digest
from transship_registry.errors import DocumentError
from transship_registry.layout.index import LayoutIndex
from transship_registry.layout.names import REF_NAME
from transship_registry.manifest import Descriptor
from transship_registry.mediatypes import OCI_INDEX, OCI_MANIFEST

TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)


def content(seed: str) -> Descriptor:
    return Descriptor(media_type=OCI_MANIFEST, digest=Digest.of(seed.encode()), size=len(seed))


def entry(seed: str, **annotations: str) -> dict[str, object]:
    names = {REF_NAME if key == "name" else key.replace("_", "."): value for key, value in annotations.items()}
    found = content(seed)
    return {
        "mediaType": found.media_type,
        "digest": str(found.digest),
        "size": found.size,
        **({"annotations": names} if names else {}),
    }


def parse(*entries: dict[str, object], **members: object) -> LayoutIndex:
    return LayoutIndex.parse(json.dumps({"schemaVersion": 2, "manifests": list(entries), **members}).encode())


def document(index: LayoutIndex) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(index.encode())
    return found


def digest_of_tag(index: LayoutIndex, tag: str) -> str | None:
    found = index.find_tag(tag)
    return found.digest if found else None


def test_a_name_that_is_the_tag_wins_over_one_that_ends_in_it() -> None:
    index = parse(entry("long", name="docker.io/library/app:v1"), entry("short", name="v1"))
    assert digest_of_tag(index, "v1") == str(content("short").digest)


def test_a_whole_reference_names_its_tag() -> None:
    index = parse(entry("long", name="docker.io/library/app:v1"))
    assert digest_of_tag(index, "v1") == str(content("long").digest)
    assert index.find_tag("app") is None


def test_tags_are_sorted_unique_and_only_what_can_be_a_tag() -> None:
    index = parse(
        entry("a", name="v2"),
        entry("b", name="docker.io/library/app:v1"),
        entry("c", name="example.org/app:v2"),
        entry("d", name="example.org:5000/app"),
        entry("e", name="example.org/app@sha256:" + "0" * 64),
        entry("f"),
    )
    assert index.tags == ("v1", "v2")


def test_the_first_of_two_entries_with_one_name_counts_and_both_are_replaced() -> None:
    index = parse(entry("first", name="v1"), entry("other", name="v2"), entry("second", name="v1"))
    assert digest_of_tag(index, "v1") == str(content("first").digest)
    assert document(index.with_tag("v1", content("new")))["manifests"] == [
        entry("new", name="v1"),
        entry("other", name="v2"),
    ]


def test_replacing_a_tag_leaves_the_bytes_of_all_else_as_they_were() -> None:
    """Unknown members, odd spacing and the entries of others survive byte by byte."""
    others = '{ "mediaType":"x/y",  "digest":"blake3:00","size":1, "novel":[1.0,   1e3] }'
    old = json.dumps(entry("old", name="v1"))
    data = f'{{"schemaVersion": 2, "annotations": {{"a":   "b"}}, "manifests": [{others}, {old}], "extra": 1.50}}'
    written = LayoutIndex.parse(data.encode()).with_tag("v1", content("new")).encode().decode()
    new = json.dumps(entry("new", name="v1"), separators=(",", ":"))
    assert written == f'{{"schemaVersion":2,"annotations":{{"a":   "b"}},"manifests":[{others},{new}],"extra":1.50}}'


def test_a_replaced_entry_keeps_annotations_but_not_those_that_describe_the_old_content() -> None:
    old = entry("old", name="v1", io_containerd_image_name="app:v1", org_opencontainers_image_created="2020")
    assert document(parse(old).with_tag("v1", content("new")))["manifests"] == [
        entry("new", io_containerd_image_name="app:v1", name="v1")
    ]


def test_a_new_tag_beside_a_whole_reference_of_another_tool_leaves_that_alone() -> None:
    foreign = entry("foreign", name="docker.io/library/app:v1")
    index = parse(foreign).with_tag("v1", content("new"))
    assert document(index)["manifests"] == [foreign, entry("new", name="v1")]
    assert digest_of_tag(index, "v1") == str(content("new").digest)


def test_deleting_removes_the_entry_that_the_tag_finds_and_no_other() -> None:
    index = parse(entry("a", name="v1"), entry("b", name="app:v1"), entry("a", name="v2"))
    without = index.without_tag("v1")
    assert document(without)["manifests"] == [entry("b", name="app:v1"), entry("a", name="v2")]
    assert document(without.without_tag("v1"))["manifests"] == [entry("a", name="v2")]


def test_images_of_several_names_that_end_in_one_tag_are_rivals_unless_they_are_the_same() -> None:
    one, two = entry("a", name="alpine:v1"), entry("b", name="busybox:v1")
    assert [rival.ref_name for rival in parse(one, two).rivals("v1")] == ["alpine:v1", "busybox:v1"]
    assert parse(one, two, entry("c", name="v1")).rivals("v1") == ()
    assert parse(one, entry("a", name="busybox:v1")).rivals("v1") == ()


def test_a_list_that_go_wrote_as_null_is_empty() -> None:
    assert LayoutIndex.parse(b'{"schemaVersion":2,"manifests":null}').tags == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Input data was truncated"),
        (b'{"schemaVersion":2}', "Object missing required field `manifests`"),
        (b'{"schemaVersion":1,"manifests":[]}', "schemaVersion is 1, mediaType '': not an OCI index"),
        (
            b'{"schemaVersion":2,"mediaType":"text/plain","manifests":[]}',
            "schemaVersion is 2, mediaType 'text/plain': not an OCI index",
        ),
        (
            b'{"schemaVersion":2,"manifests":[{"digest":"sha256:00","size":1}]}',
            "Object missing required field `mediaType`",
        ),
    ],
)
def test_what_is_no_image_index_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        LayoutIndex.parse(data)
    assert str(caught.value) == message


def test_the_empty_index_is_what_the_specification_asks_for() -> None:
    assert json.loads(LayoutIndex.empty().encode()) == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


@given(st.dictionaries(TAGS, st.text(min_size=1, max_size=8)), TAGS, st.text(min_size=1, max_size=8))
def test_a_tag_that_was_set_is_found_after_writing_and_reading_and_others_are_unchanged(
    before: dict[str, str], tag: str, seed: str
) -> None:
    """Setting tags behaves as a dictionary does, through any number of round trips."""
    index = LayoutIndex.empty()
    for name, value in before.items():
        index = LayoutIndex.parse(index.with_tag(name, content(value)).encode())
    index = LayoutIndex.parse(index.with_tag(tag, content(seed)).encode())
    expected = {name: str(content(value).digest) for name, value in {**before, tag: seed}.items()}
    assert {name: digest_of_tag(index, name) for name in index.tags} == expected
    assert tag not in index.without_tag(tag).tags
