"""The program against registries that misbehave: how it ends, what it says, and what it leaves behind."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import images
from support.program import Done, transship
from support.registry_server import faults
from support.registry_server.routes import Endpoint
from support.registry_server.server import RegistryServer

ONE = images.single("one", layers=1, size=600_000)
TWO = images.multi_platform("two", layers=1, size=3000)
LAYER = ONE.blobs[1].digest


@dataclass(frozen=True)
class Sides:
    """A source with two tags, an empty target, and a configuration that mirrors the one into the other."""

    source: RegistryServer
    target: RegistryServer
    folder: Path

    def run(self, *arguments: str) -> Done:
        """Run a command, and put names for addresses, digests and times into what it says."""
        done = transship(*arguments, "-c", "mirror.yaml", cwd=self.folder)
        return Done(done.code, self.named(done.out), self.named(done.err))

    def named(self, text: str) -> str:
        for server, name in ((self.source, "SOURCE"), (self.target, "TARGET")):
            text = text.replace(server.side_host, f"{name}-SIDE").replace(server.host, name)
        text = re.sub(r"sha256:[0-9a-f]{64}", "DIGEST", text)
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "MOMENT", text)


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    with RegistryServer() as source, RegistryServer() as target:
        source.store.add_image("team/app", "one", ONE)
        source.store.add_image("team/app", "two", TWO)
        document = {
            "creds": [{"registry": server.host, "tls": "disabled"} for server in (source, target)],
            "sync": [
                {"source": f"{source.host}/team/app", "target": f"{target.host}/mirror/app", "type": "repository"}
            ],
        }
        (tmp_path / "mirror.yaml").write_text(json.dumps(document))  # JSON is YAML
        yield Sides(source, target, tmp_path)


PASSING = {
    "429 with Retry-After": faults.FailRequests(status=429, retry_after_s=1, times=2),
    "503 twice": faults.FailRequests(status=503, times=2),
    "503 twice for every blob": faults.FailRequests(status=503, times=2, endpoints=(Endpoint.BLOB,)),
    "connections closed": faults.ResetConnection(times=3),
    "connections reset": faults.ResetConnection(times=3, reset=True),
    "bodies cut short": faults.TruncateBody(times=3),
    "connections closed after each answer": faults.CloseConnections(silently=True),
    "no digests in headers": faults.OmitDigestHeader(),
    "no types in headers": faults.OmitContentType(),
    "no HEAD": faults.HeadUnsupported(),
    "pages linked by cursors": faults.PageLinks(style=faults.LinkStyle.OPAQUE, page_size=1),
    "blobs elsewhere": faults.RedirectBlobs(),
    "types that say nothing": faults.FalsifyContentType(),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_source_with_moods_is_mirrored_all_the_same(sides: Sides, fault: faults.Fault) -> None:
    sides.source.faults.add(fault)
    done = sides.run("once")
    assert done.code == 0, done.err
    assert "\nApply: 2 applied, 0 already as planned.\n" in done.out
    assert sides.source.faults.hits(type(fault)) > 0
    assert sides.target.store.tags("mirror/app") == sides.source.store.tags("team/app")
    sides.target.store.assert_complete()


def test_names_that_are_none_are_one_warning_and_the_tags_are_mirrored(sides: Sides) -> None:
    sides.source.faults.add(faults.StrangeNames(names=(f"sha256:{'0' * 64}", "\x1b[2J", "<b>", None, 7, "v" * 129)))
    done = sides.run("once")
    assert done.code == 0, done.err
    warning = (
        "warning: sync[0]: the tag list of SOURCE/team/app has 6 entries that no tag can be called: "
        f'"sha256:{"0" * 52}…, "\\u001b[2J", "<b>", null, 7, …; they are left out'
    )
    assert [line for line in done.out.splitlines() if line.startswith("warning: ")] == [warning]
    assert sides.target.store.tags("mirror/app") == sides.source.store.tags("team/app")


SIZES = {
    "too large for JSON": (2**53, "Expected `int` <= 9007199254740991 - at `$.layers[0].size`"),
    "no integer of any machine": (10**400, "Expected `int` <= 9007199254740991 - at `$.layers[0].size`"),
    "negative": (-1, "Expected `int` >= 0 - at `$.layers[0].size`"),
    "a float": (1.0, "Expected `int`, got `float` - at `$.layers[0].size`"),
    "no number": (float("nan"), "JSON is malformed: invalid character (byte 412)"),
}


@pytest.mark.parametrize(("size", "reason"), SIZES.values(), ids=SIZES)
def test_a_size_that_nothing_has_is_a_problem_of_its_tag_and_the_others_are_mirrored(
    sides: Sides, size: float, reason: str
) -> None:
    document = json.loads(ONE.raw)
    document["layers"][0]["size"] = size
    sides.source.store.put_manifest("team/app", json.dumps(document).encode(), ONE.media_type, tag="strange")
    done = sides.run("once")
    assert done.code == 1
    problem = f"SOURCE/team/app:strange: SOURCE/team/app@DIGEST: the manifest is not well-formed: {reason}"
    assert done.err.splitlines()[0] == "error: not everything could be planned: the plan names 1 problem"
    assert f"problem: sync[0] (line 1) {problem}" in done.out.splitlines()
    assert sorted(sides.target.store.tags("mirror/app")) == ["one", "two"]


def test_sizes_that_are_too_much_together_are_a_problem_of_their_tag(sides: Sides) -> None:
    document = json.loads(ONE.raw)
    document["layers"] = [{**document["layers"][0], "size": 2**53 - 1}] * 2
    sides.source.store.put_manifest("team/app", json.dumps(document).encode(), ONE.media_type, tag="strange")
    done = sides.run("plan")
    assert done.code == 1
    assert (
        "problem: sync[0] (line 1) SOURCE/team/app:strange: SOURCE/team/app@DIGEST: "
        "the sizes in the manifest add up to more than 9007199254740991 bytes\n"
    ) in done.out
    assert "Plan: 2 to create" in done.out


BEARABLE = {
    "429 with Retry-After": faults.FailRequests(status=429, retry_after_s=1, times=2),
    "503 twice": faults.FailRequests(status=503, times=2),
    "connections closed": faults.ResetConnection(times=3),
    "answers lost": faults.ResetConnection(times=3, after_work=True),
    "no mounts": faults.AnswerMount(status=404),
    "mounts that nobody may do": faults.AnswerMount(status=401),
    "mounts that break it": faults.AnswerMount(status=500),
    "mounts that lie": faults.AnswerMount(status=201, times=1),
    "blobs that are claimed to exist": faults.PhantomBlobs(size=ONE.blobs[1].size, reference=LAYER),
    "content collected as garbage": faults.LoseBlobs(times=1),
    "no PUT with a body": faults.RefuseFinalBody(),
    "small bodies only": faults.RefuseLargeBody(limit=400_000),
}


@pytest.mark.parametrize("fault", BEARABLE.values(), ids=BEARABLE)
def test_a_target_with_moods_gets_everything_all_the_same(sides: Sides, fault: faults.Fault) -> None:
    if isinstance(fault, faults.RefuseLargeBody):
        config = json.loads((sides.folder / "mirror.yaml").read_text())
        config["creds"][1]["blobChunk"] = 300_000
        (sides.folder / "mirror.yaml").write_text(json.dumps(config))
    sides.target.faults.add(fault)
    done = sides.run("once")
    assert done.code == 0, done.out + done.err
    assert "\nApply: 2 applied, 0 already as planned.\n" in done.out
    assert sides.target.faults.hits(type(fault)) > 0
    assert sides.target.store.tags("mirror/app") == sides.source.store.tags("team/app")
    sides.target.store.assert_complete()


FAILING = "the registry is failing: try again later"
LOGIN = "no credential for this registry was found: log in with docker login, or set creds or the environment"
NETWORK = "check that the registry runs there, its name, the network and the proxy"
LATER = "the registry asks to come back in 3600 s, at MOMENT"
CVE = "refusing to guess which one is right (CVE-2021-41190)"

UNPLANNABLE = {
    "a quota that is used up": (
        faults.PullQuota(limit=0, retry_after_s=3600, reference="*:*"),
        "SOURCE/team/app:one: GET manifest SOURCE/team/app@DIGEST: "
        f"HTTP 429 TOOMANYREQUESTS: You have reached your pull rate limit.; {LATER}",
    ),
    "a registry that wants to be left alone": (
        faults.FailRequests(status=429, retry_after_s=3600, endpoints=(Endpoint.TAGS,)),
        f"SOURCE/team/app: GET tags SOURCE/team/app: HTTP 429 TOOMANYREQUESTS: switched on by a test; {LATER}",
    ),
    "a registry that fails": (
        faults.FailRequests(status=500, code="UNKNOWN"),
        f"SOURCE/team/app: GET tags SOURCE/team/app: HTTP 500 UNKNOWN: switched on by a test; {FAILING}",
    ),
    "a registry that refuses": (
        faults.FailRequests(status=403, code="DENIED"),
        f"SOURCE/team/app: GET tags SOURCE/team/app: HTTP 403 DENIED: switched on by a test; {LOGIN}",
    ),
    "a registry that is none": (
        faults.ReplaceBody(),
        "SOURCE/team/app: GET tags SOURCE/team/app: "
        "the answer is no list of tags: JSON is malformed: invalid character (byte 0)",
    ),
    "a tag list that goes wrong": (
        faults.PageLinks(style=faults.LinkStyle.LOOPING, page_size=1),
        "SOURCE/team/app: the tag list is incomplete: GET tags SOURCE/team/app: the link to the next page leads back "
        "to a page that was read already; the list is incomplete: nothing may be deleted because of it",
    ),
    "a type that contradicts the manifest": (
        faults.FalsifyContentType(media_type=images.DOCKER_MANIFEST, methods=("GET",)),
        f"SOURCE/team/app:one: SOURCE/team/app@DIGEST: the manifest says it is {images.OCI_MANIFEST!r}, "
        f"but it was served as {images.DOCKER_MANIFEST!r}; {CVE}",
    ),
    "a digest that nothing has": (
        faults.FalsifyDigestHeader(methods=("HEAD",)),
        "SOURCE/team/app:one: GET manifest SOURCE/team/app@DIGEST: "
        "HTTP 404 MANIFEST_UNKNOWN: manifest unknown to registry",
    ),
    "another manifest than was asked for": (
        faults.CorruptBody(at=100, endpoints=(Endpoint.MANIFEST,)),
        "SOURCE/team/app:one: SOURCE/team/app@DIGEST: the manifest's bytes hash to DIGEST, expected DIGEST",
    ),
}


@pytest.mark.parametrize(("fault", "problem"), UNPLANNABLE.values(), ids=UNPLANNABLE)
def test_what_cannot_be_planned_is_a_problem_and_nothing_is_written(
    sides: Sides, fault: faults.Fault, problem: str
) -> None:
    sides.source.store.delete_tag("team/app", "two")
    sides.source.faults.add(fault)
    done = sides.run("once")
    assert done.code == 1
    assert done.out.splitlines()[:2] == [f"problem: sync[0] (line 1) {problem}", "Plan: 0 unchanged, 1 problem."]
    assert done.err == "error: not everything could be planned: the plan names 1 problem\n"
    assert sides.target.store.tags("mirror/app") == {}


LATE = {
    "blobs with a wrong byte": (
        faults.CorruptBody(at=7, reference=LAYER),
        "blob SOURCE/team/app@DIGEST: the 600000 bytes hash to DIGEST, expected DIGEST",
    ),
    "blobs that never end": (
        faults.TruncateBody(after=0, reference=LAYER),
        "GET blob SOURCE/team/app@DIGEST: the answer from http://SOURCE broke off ("
        f"SOURCE closed the connection after 0 of 600000 bytes of the body); {NETWORK}",
    ),
    "blobs of another length": (
        faults.WrongContentLength(by=5, reference=LAYER),
        "blob SOURCE/team/app@DIGEST: its descriptor says 600000 bytes, but the registry's Content-Length says 600005",
    ),
    "blobs that are gone": (
        faults.FailRequests(status=404, code="BLOB_UNKNOWN", reference=LAYER),
        "SOURCE/team/app@DIGEST: the source no longer has all of the approved image: plan again, or push the image "
        "there again (GET blob: HTTP 404 BLOB_UNKNOWN: switched on by a test)",
    ),
    "blobs whose place has expired": (
        faults.RedirectBlobs(uses=0, reference=LAYER),
        "GET blob SOURCE/team/app@DIGEST at http://SOURCE-SIDE/cdn/team/app/blobs/DIGEST: "
        "HTTP 403 AccessDenied: Request has expired; "
        "the registry sent us there, where no credentials are sent: its storage is at fault",
    ),
    "a manifest that is gone": (
        faults.HideManifests(reference=ONE.digest),
        "SOURCE/team/app@DIGEST: the source no longer has the approved image: plan again "
        "(GET manifest: HTTP 404 MANIFEST_UNKNOWN: manifest unknown to registry)",
    ),
    "a quota that is used up meanwhile": (
        faults.PullQuota(limit=0, retry_after_s=3600, reference=ONE.digest),
        "GET manifest SOURCE/team/app@DIGEST: "
        f"HTTP 429 TOOMANYREQUESTS: You have reached your pull rate limit.; {LATER}",
    ),
}


def applied_but_one(sides: Sides, problem: str, *, tags: dict[str, str]) -> None:
    """Apply a plan, and see that one tag failed with this problem and that the other one is done."""
    done = sides.run("apply", "plan.json")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[:2] == [
        f"failed: TARGET/mirror/app:one: {problem}",
        "Apply: 1 applied, 0 already as planned, 1 failed.",
    ]
    assert any(
        line.startswith("failed: TARGET/mirror/app:one ") and line.endswith(f"→ {ONE.digest[:19]} (see the summary)")
        for line in done.err.splitlines()
    )
    assert f"done: TARGET/mirror/app:two → {TWO.digest[:19]} (6.5 KiB sent)" in done.err.splitlines()
    assert sides.target.store.tags("mirror/app") == tags
    sides.target.store.assert_complete()


@pytest.mark.parametrize(("fault", "problem"), LATE.values(), ids=LATE)
def test_a_source_that_goes_bad_after_the_plan_fails_one_change_and_the_rest_is_done(
    sides: Sides, fault: faults.Fault, problem: str
) -> None:
    """No tag points at incomplete content, and when the source is well again the same plan goes on."""
    assert sides.run("plan", "-o", "plan.json").code == 0
    with sides.source.faults.during(fault):
        applied_but_one(sides, problem, tags={"two": TWO.digest})
    again = sides.run("apply", "plan.json")
    assert (again.code, again.out.splitlines()[0]) == (0, "Apply: 1 applied, 1 already as planned.")
    assert sides.target.store.tags("mirror/app") == sides.source.store.tags("team/app")


REFUSING: dict[str, tuple[faults.Fault, str, dict[str, str]]] = {
    "a push that is denied": (
        faults.Deny(endpoints=(Endpoint.MANIFEST,), reference="one"),
        f"PUT manifest TARGET/mirror/app:one: HTTP 403 DENIED: permission_denied: create_package; {LOGIN}",
        {"two": TWO.digest},
    ),
    "a type that is not allowed": (
        faults.RefuseMediaTypes(types=("*",), reference="one"),
        "the registry does not take manifests of this kind: allow their types there, or leave the image out "
        f"(PUT manifest: HTTP 400 MANIFEST_INVALID: unknown media type: {images.OCI_CONFIG}, {images.OCI_MANIFEST})",
        {"two": TWO.digest},
    ),
    "a pull-through cache": (
        faults.FailRequests(status=405, code="UNSUPPORTED", methods=("PUT",), reference="one"),
        "the registry takes no pushes (it is read-only, or a pull-through cache), or no manifests of this kind "
        "(PUT manifest: HTTP 405 UNSUPPORTED: switched on by a test)",
        {"two": TWO.digest},
    ),
    "a quota that is used up": (
        faults.FailRequests(
            status=403,
            code="DENIED",
            message="Quota exceeded",
            methods=("PUT",),
            reference="one",
            repository="mirror/*",
        ),
        "a quota of the registry is used up: free space there, or have it raised "
        "(PUT manifest: HTTP 403 DENIED: Quota exceeded)",
        {"two": TWO.digest},
    ),
    "no space left": (
        faults.FailRequests(status=507, code="UNKNOWN", methods=("PUT",), reference="one"),
        "the registry has no space left: free some there, and apply again "
        "(PUT manifest: HTTP 507 UNKNOWN: switched on by a test)",
        {"two": TWO.digest},
    ),
    "another digest than was sent": (
        faults.FalsifyDigestHeader(methods=("PUT",), reference="one"),
        "PUT manifest TARGET/mirror/app:one: the registry stored DIGEST where DIGEST was sent; "
        "it must not change manifests, do not use what it stored",
        {"one": ONE.digest, "two": TWO.digest},
    ),
    "content that is collected as garbage every time": (
        faults.LoseBlobs(reference="one", digest=LAYER),
        "PUT manifest TARGET/mirror/app:one: HTTP 404 MANIFEST_BLOB_UNKNOWN: "
        "manifest references a manifest or blob unknown to registry: DIGEST; upload DIGEST again",
        {"two": TWO.digest},
    ),
    "a registry that fails": (
        faults.FailRequests(status=503, methods=("PUT",), reference="one"),
        f"PUT manifest TARGET/mirror/app:one: HTTP 503 UNKNOWN: switched on by a test; {FAILING}",
        {"two": TWO.digest},
    ),
    "a redirect of a write": (
        faults.FailRequests(status=307, headers={"Location": "/elsewhere"}, methods=("PUT",), reference="one"),
        "PUT manifest TARGET/mirror/app:one: HTTP 307 UNKNOWN: switched on by a test",
        {"two": TWO.digest},
    ),
}


@pytest.mark.parametrize(("fault", "problem", "tags"), REFUSING.values(), ids=REFUSING)
def test_a_target_that_refuses_fails_one_change_and_the_rest_is_done(
    sides: Sides, fault: faults.Fault, problem: str, tags: dict[str, str]
) -> None:
    assert sides.run("plan", "-o", "plan.json").code == 0
    sides.target.faults.add(fault)
    applied_but_one(sides, problem, tags=tags)


def test_a_target_that_lies_about_its_digests_is_a_conflict(sides: Sides) -> None:
    """What a HEAD says of a tag is all there is to go by: if that is not what was planned, nothing is overwritten."""
    assert sides.run("plan", "-o", "plan.json").code == 0
    assert sides.run("apply", "plan.json").code == 0
    sides.target.faults.add(faults.FalsifyDigestHeader(methods=("HEAD",), reference="one"))
    done = sides.run("apply", "plan.json")
    assert done.code == 4
    assert done.out.splitlines() == [
        "conflict: TARGET/mirror/app:one moved since the plan was made: the plan saw absent, now it is DIGEST; "
        "it was left untouched, plan again to see what would change",
        "Apply: 0 applied, 1 already as planned, 1 conflict.",
        "Nothing was written.",
    ]


def test_an_immutable_tag_is_said_to_be_one(sides: Sides) -> None:
    sides.target.store.add_image("mirror/app", "one", images.single("before"))
    assert sides.run("plan", "-o", "plan.json").code == 0
    sides.target.faults.add(faults.ImmutableTags())
    applied_but_one(
        sides,
        "the tag is immutable and holds something else: choose another tag, or remove it at the registry "
        "(PUT manifest: HTTP 400 TAG_INVALID: ImageTagAlreadyExists: the tag already exists and cannot be overwritten)",
        tags={"one": images.single("before").digest, "two": TWO.digest},
    )
