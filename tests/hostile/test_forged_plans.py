"""A plan whose digest was made anew is held against its configuration: it may do what that could have planned, no more.

Each forgery is a plan that transship made, changed in one place, and sealed again as an attacker would.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
import yaml

from planner.test_golden_plans import CASES, PLANS, read_file
from support import images
from support.memory_registry import MemoryRegistry
from support.program import transship
from transship_planner.config import config_digest, load
from transship_planner.desired import Desired
from transship_planner.errors import ForeignPlanError, TamperedPlanError
from transship_planner.observation.observe import observe
from transship_planner.plans.bounds import check_bounds
from transship_planner.plans.diff import Circumstances, diff
from transship_planner.plans.plan import ConfigPin, Plan, StatePin
from transship_planner.plans.planfile import PlanFile, decode, encode, read, save
from transship_registry.digest import Digest
from transship_registry.reference import Reference

CONFIG = """\
version: 1
sync:
  - source: src.io/app
    target: dst.io/mirror/app
    type: repository
    tags: {allow: ["1\\\\..*"]}
    backup: "old-{{ .Ref.Tag }}"
    immutable_tags: ["1\\\\.0\\\\..*"]
    digestTags: true
    referrers: true
    hooks: {post_sync: [{cmd: "cosign sign"}]}
  - source: src.io/tool:stable
    target: dst.io/mirror/tool:stable
    type: image
    platform: linux/amd64
    ratelimit: {min: 50}
  - source: src.io
    target: dst.io/all
    type: registry
    repos: {allow: ["team/.*"]}
    tags: {deny: [".*-rc.*"]}
  - source: src.io/multi:2
    target: dst.io/mirror/multi:2
    type: image
    platforms: [linux/amd64, linux/arm64]
"""

Document = dict[str, Any]


@pytest.fixture(scope="module")
def desired(tmp_path_factory: pytest.TempPathFactory) -> Desired:
    """Load the configuration."""
    path = tmp_path_factory.mktemp("forged") / "mirror.yaml"
    path.write_text(CONFIG)
    return load(str(path), environment={})


@pytest.fixture(scope="module")
def honest(desired: Desired) -> PlanFile:
    """Plan it against a world in which there is something to do for each entry."""
    world = MemoryRegistry()
    for tag in ("1.1", "1.2", "1.0.5"):
        world.seed(f"src.io/app:{tag}", images.single(f"app {tag}"))
    world.seed("dst.io/mirror/app:1.1", images.single("before"))
    world.seed("src.io/tool:stable", images.multi_platform("tool", platforms=["linux/amd64", "linux/arm64"]))
    world.seed("src.io/team/web:3", images.single("web"))
    world.seed("src.io/multi:2", images.multi_platform("multi", platforms=["linux/amd64", "linux/arm64", "linux/386"]))
    observed = asyncio.run(observe(desired, world))
    pin = ConfigPin(digest=config_digest(desired), dialect=desired.dialect.value)
    circumstances = Circumstances(tool_version="0", config=pin, state=StatePin(nonce="0" * 32))
    return save(diff(observed, circumstances), created_at="2026-01-01T00:00:00Z")


def reseal(document: Document) -> bytes:
    """Return the plan file with a digest that fits what it says now."""
    outside = {name: document.pop(name) for name in ("created_at", "signatures", "digest")}
    outside["digest"] = str(Digest.of(rfc8785.dumps(document)))
    return rfc8785.dumps({**document, **outside})


def change_of(document: Document, target: str) -> Document:
    """Return the change of a target."""
    found: Document = next(change for change in document["changes"] if change["target"] == target)
    return found


def test_what_the_planner_makes_is_within_its_bounds(honest: PlanFile, desired: Desired) -> None:
    """Each entry of the configuration has a change, and none is refused."""
    assert {change.entry for change in honest.plan.changes} == {"sync[0]", "sync[1]", "sync[2]", "sync[3]"}
    check_bounds(honest.plan, desired, "plan.json")


@pytest.mark.parametrize("case", CASES)
def test_each_golden_plan_is_within_its_bounds(case: str) -> None:
    """What was planned for every situation that has a golden plan could be planned."""
    described: Document = yaml.safe_load((PLANS / case / "world.yaml").read_text())
    config = str(PLANS / case / described.get("config", "mirror.yaml"))
    wanted = load(config, environment={}, read_file=read_file)
    check_bounds(read(PLANS / case / "plan.json").plan, wanted, "plan.json")


APP, TOOL, WEB, MULTI = (
    "dst.io/mirror/app:1.1",
    "dst.io/mirror/tool:stable",
    "dst.io/all/team/web:3",
    "dst.io/mirror/multi:2",
)
OTHER = images.single("other")


def setting(target: str, /, **members: object) -> Callable[[Document], None]:
    """Forge members of the change of a target."""

    def forge(document: Document) -> None:
        change = change_of(document, target)
        change.update(members)
        for name in [name for name, value in members.items() if value is None]:
            del change[name]

    return forge


def attaching(**members: object) -> Callable[[Document], None]:
    """Forge something that is attached to the app, as its entry allows but for these members."""
    each: Document = {
        "digest": str(OTHER.digest),
        "media_type": "application/vnd.oci.image.manifest.v1+json",
        "size": 10,
        "subject": str(OTHER.digest),
        "source": "src.io/app",
        "target": "dst.io/mirror/app",
        **members,
    }
    return setting(APP, attached=[each])


VERSION = {"digest": str(OTHER.digest), "media_type": "application/vnd.oci.image.manifest.v1+json", "size": 10}
NOWHERE = "no entry mirrors {source} there"
FORGERIES: dict[str, tuple[str, Callable[[Document], None], str, str]] = {
    "a layout by its absolute path": (APP, setting(APP, target="ocidir:///etc/app:1.1"), NOWHERE, "src.io/app:1.1"),
    "a layout above the folder": (APP, setting(APP, target="ocidir://../app:1.1"), NOWHERE, "src.io/app:1.1"),
    "another target registry": (APP, setting(APP, target="evil.io/app:1.1"), NOWHERE, "src.io/app:1.1"),
    "another target repository": (APP, setting(APP, target="dst.io/prod/app:1.1"), NOWHERE, "src.io/app:1.1"),
    "another target tag": (APP, setting(APP, target="dst.io/mirror/app:1.9"), NOWHERE, "src.io/app:1.1"),
    "a source at another host": (APP, setting(APP, source="evil.io/app:1.1"), NOWHERE, "evil.io/app:1.1"),
    "another source repository": (APP, setting(APP, source="src.io/private:1.1"), NOWHERE, "src.io/private:1.1"),
    "a source by digest": (
        APP,
        setting(APP, source=f"src.io/app:1.1@{OTHER.digest}"),
        NOWHERE,
        f"src.io/app:1.1@{OTHER.digest}",
    ),
    "a layout as source": (APP, setting(APP, source="ocidir:///srv/app:1.1"), NOWHERE, "ocidir:///srv/app:1.1"),
    "another image of one tag": (TOOL, setting(TOOL, source="src.io/tool:edge"), NOWHERE, "src.io/tool:edge"),
    "a tag that no rule selects": (
        APP,
        setting(APP, source="src.io/app:2.0", target="dst.io/mirror/app:2.0"),
        NOWHERE,
        "src.io/app:2.0",
    ),
    "a tag that a rule denies": (
        WEB,
        setting(WEB, source="src.io/team/web:3-rc1", target="dst.io/all/team/web:3-rc1"),
        NOWHERE,
        "src.io/team/web:3-rc1",
    ),
    "a repository that the entry leaves out": (
        WEB,
        setting(WEB, source="src.io/secret/web:3", target="dst.io/all/secret/web:3"),
        NOWHERE,
        "src.io/secret/web:3",
    ),
    "a repository by another path": (
        WEB,
        setting(WEB, target="dst.io/all/team/api:3"),
        NOWHERE,
        "src.io/team/web:3",
    ),
    "the name of an entry with hooks": (
        TOOL,
        setting(TOOL, entry="sync[0]"),
        "sync[0] does not mirror {source} there",
        "src.io/tool:stable",
    ),
    "a protected tag": (
        "dst.io/mirror/app:1.0.5",
        setting("dst.io/mirror/app:1.0.5", action="update", before=VERSION, backup="dst.io/mirror/app:old-1.0.5"),
        "immutable_tags of sync[0] say that it never changes",
        "",
    ),
    "a deletion": (APP, setting(APP, action="delete"), "no entry deletes tags", ""),
    "a change without digest": (APP, setting(APP, after=None), "it does not say which digest was approved", ""),
    "a change without source digest": (
        APP,
        setting(APP, source_digest=None),
        "it does not say which digest was approved",
        "",
    ),
    "an update that seems to create": (
        APP,
        setting(APP, action="create"),
        "a create does not go with what it says the target was",
        "",
    ),
    "a refresh that moves": (
        APP,
        setting(APP, action="refresh"),
        "a refresh does not go with what it says the target was",
        "",
    ),
    "content that is not the source's": (
        WEB,
        setting(WEB, after=VERSION),
        f"the source is {{digest}}, and {OTHER.digest} arrives",
        "",
    ),
    "platforms that nobody asked for": (
        MULTI,
        setting(MULTI, platforms_wanted=["linux/amd64"]),
        "the entry does not ask for linux/amd64",
        "",
    ),
    "platforms of an entry that takes all": (
        WEB,
        setting(WEB, platforms_wanted=["linux/amd64", "linux/arm64"]),
        "the entry does not ask for linux/amd64, linux/arm64",
        "",
    ),
    "layers from outside": (
        APP,
        setting(APP, include_external=True),
        "it copies layers from outside of registries, for which the entry does not ask",
        "",
    ),
    "no quota spared": (TOOL, setting(TOOL, ratelimit=None), "it spares 0 pulls, and the entry asks for 50", ""),
    "less quota spared": (
        TOOL,
        setting(TOOL, ratelimit={"min": 1, "retry_s": 300}),
        "it spares 1 pulls, and the entry asks for 50",
        "",
    ),
    "refused artifacts skipped": (
        APP,
        setting(APP, refused="skip"),
        "refused artifacts would skip, for which the entry does not ask",
        "",
    ),
    "no backup": (
        APP,
        setting(APP, backup=None),
        "the image that is replaced is not kept, though the entry has a backup",
        "",
    ),
    "a backup of another name": (
        APP,
        setting(APP, backup="dst.io/mirror/app:1.2"),
        "the backup dst.io/mirror/app:1.2 is not what the entry's template gives",
        "",
    ),
    "a backup elsewhere": (
        APP,
        setting(APP, backup="evil.io/stolen:1"),
        "the backup evil.io/stolen:1 is not what the entry's template gives",
        "",
    ),
    "a backup of what is not replaced": (
        WEB,
        setting(WEB, backup="dst.io/all/team/web:old"),
        "it keeps an image that it does not replace",
        "",
    ),
    "attached content to another repository": (
        APP,
        attaching(target="dst.io/prod/app"),
        "the entry attaches nothing from src.io/app to dst.io/prod/app",
        "",
    ),
    "attached content from another repository": (
        APP,
        attaching(source="src.io/private"),
        "the entry attaches nothing from src.io/private to dst.io/mirror/app",
        "",
    ),
    "an ordinary tag that seems attached": (
        APP,
        attaching(tag="latest"),
        "the entry attaches nothing from src.io/app to dst.io/mirror/app as latest",
        "",
    ),
    "attached content of an entry that takes none along": (
        WEB,
        setting(
            WEB,
            attached=[
                {**VERSION, "subject": str(OTHER.digest), "source": "src.io/team/web", "target": "dst.io/all/team/web"}
            ],
        ),
        "the entry attaches nothing from src.io/team/web to dst.io/all/team/web",
        "",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_change_is_refused(name: str, honest: PlanFile, desired: Desired) -> None:
    """A change that no entry could have planned names what is wrong with it, and nothing else happens."""
    target, forge, problem, source = FORGERIES[name]
    document: Document = json.loads(encode(honest))
    change = change_of(document, target)
    forge(document)
    forged = decode(reseal(document), "plan.json")
    expected = problem.format(source=source, digest=change.get("source_digest", ""))
    with pytest.raises(ForeignPlanError) as caught:
        check_bounds(forged.plan, desired, "plan.json")
    assert str(caught.value) == (
        f"plan.json: {desired.file} could not have planned this: {change['entry']}: {change['target']}: {expected}; "
        "nothing was contacted; make a new plan from this configuration, and find out who made this one"
    )


def test_many_forgeries_are_one_line(honest: PlanFile, desired: Desired) -> None:
    """Three are named, the rest is counted."""
    moved = tuple(
        msgspec.structs.replace(change, include_external=True, entry=change.entry) for change in honest.plan.changes
    )
    with pytest.raises(ForeignPlanError, match=r"; 3 more are like this; nothing was contacted; ") as caught:
        check_bounds(msgspec.structs.replace(honest.plan, changes=moved), desired, "plan.json")
    assert "\n" not in str(caught.value)


def test_two_changes_never_share_a_backup(tmp_path: Path, honest: PlanFile) -> None:
    """A backup that another change writes, too, would be lost."""
    path = tmp_path / "mirror.yaml"
    path.write_text(CONFIG.replace("old-{{ .Ref.Tag }}", "old"))
    first = next(change for change in honest.plan.changes if str(change.target) == APP)
    kept = Reference.parse("dst.io/mirror/app:old")
    changes = tuple(
        msgspec.structs.replace(
            first, backup=kept, source=first.source.repository.tag(tag), target=first.target.repository.tag(tag)
        )
        for tag in ("1.1", "1.2")
    )
    with pytest.raises(ForeignPlanError) as caught:
        check_bounds(
            msgspec.structs.replace(honest.plan, changes=changes), load(str(path), environment={}), "plan.json"
        )
    assert f"sync[0]: {APP}: the backup {kept} is written by another change, too; " in str(caught.value)


def sealed(plan: Plan) -> Document:
    """Return a plan file as a document."""
    document: Document = json.loads(encode(save(plan, created_at="2026-01-01T00:00:00Z")))
    return document


def test_two_changes_of_one_target_are_refused(honest: PlanFile) -> None:
    """Which of them holds must not depend on their order."""
    document = sealed(honest.plan)
    document["changes"].append(document["changes"][0])
    target = document["changes"][0]["target"]
    with pytest.raises(ForeignPlanError) as caught:
        decode(reseal(document), "plan.json")
    assert str(caught.value) == (
        f"plan.json: the plan changes {target} twice; nothing was contacted; "
        "make a new plan with `transship plan -o plan.json`"
    )


@pytest.mark.parametrize("depth", ["plan", "change"])
def test_a_member_that_is_there_twice_is_refused(depth: str, honest: PlanFile) -> None:
    """JSON readers disagree about which one counts, so that people may have approved the other."""
    text = encode(honest).decode()
    old = '"format_version":1' if depth == "plan" else f'"target":"{APP}"'
    new = '"format_version":1,"format_version":1' if depth == "plan" else f'"target":"dst.io/safe:1","target":"{APP}"'
    assert old in text
    with pytest.raises(TamperedPlanError, match=r"^plan\.json: the member '(format_version|target)' is there twice, "):
        decode(text.replace(old, new).encode(), "plan.json")


@pytest.fixture
def layouts(tmp_path: Path) -> Path:
    """Make a folder with a source layout, a configuration with a hook and a state, and a plan of it."""
    images.write_layout(tmp_path / "upstream", "1", images.single("app"))
    (tmp_path / "mirror.yaml").write_text(
        "version: 1\nstate: state.json\nsync:\n"
        "  - {source: 'ocidir://upstream', target: 'ocidir://mirror', type: repository,\n"
        "     hooks: {post_sync: [{cmd: 'touch hook-ran'}]}}\n"
    )
    assert transship("plan", "-c", "mirror.yaml", "-o", "plan.json", cwd=tmp_path).code == 0
    return tmp_path


def apply_forged(folder: Path, forge: Callable[[Document], None]) -> tuple[int, str]:
    """Apply the plan as it was forged, and return exit code and messages; nothing may have been written."""
    document: Document = json.loads((folder / "plan.json").read_text())
    forge(document)
    (folder / "plan.json").write_bytes(reseal(document))
    before = sorted(path.name for path in folder.iterdir())
    done = transship("apply", "-c", "mirror.yaml", "plan.json", cwd=folder)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert done.out == ""
    return done.code, done.err


def test_apply_writes_nothing_for_a_forged_plan(layouts: Path) -> None:
    """Exit 4, one line, no layout made, no hook run, no state written."""
    code, message = apply_forged(layouts, setting("ocidir://mirror:1", target="ocidir://elsewhere:1"))
    assert (code, message) == (
        4,
        "error: plan.json: mirror.yaml could not have planned this: sync[0]: ocidir://elsewhere:1: "
        "no entry mirrors ocidir://upstream:1 there; nothing was contacted; "
        "make a new plan from this configuration, and find out who made this one\n",
    )


def test_apply_refuses_a_plan_without_its_state(layouts: Path) -> None:
    """A plan that names no state could be replayed into any."""
    code, message = apply_forged(layouts, lambda document: document.update(state={}))
    assert (code, message) == (
        4,
        "error: plan.json: the plan does not say which state it was made against, and state.json is kept; "
        "nothing was contacted; make a new plan\n",
    )


@pytest.mark.parametrize("origin", ["rollback", "copy"])
def test_apply_refuses_a_plan_that_no_configuration_founds(origin: str, layouts: Path) -> None:
    """A plan that says it comes from elsewhere needs somebody to vouch for it."""
    code, message = apply_forged(layouts, lambda document: document.update(origin=origin))
    assert (code, message) == (
        4,
        f"error: plan.json: this plan is a {origin}, which this version of transship cannot verify; "
        "nothing was contacted; plan from a configuration\n",
    )


def finding(**members: object) -> Document:
    """Forge a tag that is called as wanted, as the first entry allows but for these members."""
    given = {"given": members.pop("given")} if "given" in members else {}
    return {
        "entry": "sync[0]",
        "source": "src.io/app",
        "target": "dst.io/mirror/app",
        "media_type": "application/vnd.oci.image.manifest.v1+json",
        "tags": [{"tag": members.pop("tag", "1.7"), "digest": str(OTHER.digest), **given}],
        **members,
    }


def found_problem(honest: PlanFile, desired: Desired, forged: Document) -> str:
    """Return why a plan that calls this as wanted is refused; empty when it is not."""
    document: Document = json.loads(encode(honest))
    saved = decode(reseal({**document, "found": [forged]}), "plan.json")
    try:
        check_bounds(saved.plan, desired, "plan.json")
    except ForeignPlanError as error:
        return str(error)
    return ""


def test_what_an_entry_mirrors_may_be_called_as_wanted(honest: PlanFile, desired: Desired) -> None:
    """Also with another digest at the target, where platforms are selected."""
    tool = finding(source="src.io/tool", target="dst.io/mirror/tool", tag="stable", given=str(Digest.of(b"child")))
    assert found_problem(honest, desired, finding()) == ""
    assert found_problem(honest, desired, tool) == ""


@pytest.mark.parametrize(
    ("forged", "problem"),
    [
        (
            finding(target="dst.io/prod/app"),
            "sync[0]: dst.io/prod/app:1.7: it is called as wanted, and no entry mirrors src.io/app:1.7 there",
        ),
        (
            finding(source="evil.io/app"),
            "sync[0]: dst.io/mirror/app:1.7: it is called as wanted, and no entry mirrors evil.io/app:1.7 there",
        ),
        (
            finding(tag="2.0"),
            "sync[0]: dst.io/mirror/app:2.0: it is called as wanted, and no entry mirrors src.io/app:2.0 there",
        ),
        (
            finding(given=str(Digest.of(b"evil"))),
            "sync[0]: dst.io/mirror/app:1.7: it is called as wanted, and is not what src.io/app:1.7 is",
        ),
    ],
)
def test_a_plan_puts_nothing_into_the_state_that_no_entry_mirrors(
    honest: PlanFile, desired: Desired, forged: Document, problem: str
) -> None:
    """Records of other targets, or of other content than the source's, are not forged by way of what was found."""
    assert f"could not have planned this: {problem}; nothing was contacted" in found_problem(honest, desired, forged)
