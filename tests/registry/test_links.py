"""The Link header: finding the next page and nothing else."""

import pytest

from transship_registry.api.links import MalformedLinkError, next_target


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        (['</v2/lib/app/tags/list?last=b&n=2>; rel="next"'], "/v2/lib/app/tags/list?last=b&n=2"),
        (["<https://r.example/v2/x/tags/list?next_page=ab%3D%3D>; rel=next"], "https://r.example/v2/x/tags/list?next_page=ab%3D%3D"),
        (['</first>; rel="first", </next>; rel="next"'], "/next"),
        (['</first>; rel="first"', '</next>; rel="next"'], "/next"),
        (['</a,b;c>; title="x, y; rel=next"; rel="prev", </d>;rel="last next"'], "/d"),
        (['</n>; REL="NEXT"'], "/n"),
        (['< /spaced >; rel="next"'], "/spaced"),
        (['<?last=z>; rel="next"'], "?last=z"),
    ],
)  # fmt: skip
def test_the_target_is_returned_as_it_is_written(headers: list[str], target: str) -> None:
    assert next_target(headers) == target


@pytest.mark.parametrize(
    "headers", [[], [""], ['</a>; rel="prev"'], ["</a>"], ['</a>; rel="nextish"'], ['</a>; rel="prev",']]
)
def test_without_a_next_link_there_is_none(headers: list[str]) -> None:
    assert next_target(headers) is None


@pytest.mark.parametrize("header", ["/v2/x; rel=next", '</v2/x; rel="next"', "<>>; rel=next", '</a>; rel="prev" b'])
def test_a_header_that_cannot_be_read_is_not_taken_for_the_last_page(header: str) -> None:
    with pytest.raises(MalformedLinkError, match=r"the Link header .* cannot be read"):
        next_target([header])


def test_a_hostile_header_takes_no_time() -> None:
    """The header is read in linear time, whatever the registry sends."""
    assert next_target(["</a>" + "; a" * 20_000 + ' ; rel="prev"']) is None
    for header in ("<" * 20_000 + "; " * 20_000, '</a>; x="' + "\\" * 50_000):
        with pytest.raises(MalformedLinkError):
            next_target([header])
