"""What users trust transship with: approved digests, tags that others moved, kills, secrets."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import images, outside
from support.program import Done, command, environment, transship
from support.real_registry import RealRegistry

PASSWORD = "c0rrect-h0rse-battery"


@pytest.fixture(scope="module")
def guarded() -> Iterator[RealRegistry]:
    """Run a real registry that wants a password."""
    with RealRegistry(users={"robot": PASSWORD}) as registry:
        yield registry


def configure(folder: Path, entries: str, *hosts: RealRegistry, extra: str = "") -> None:
    """Write a configuration."""
    creds = "".join(f"  - {{registry: '{host.host}', tls: disabled}}\n" for host in hosts)
    (folder / "mirror.yaml").write_text(f"{extra}creds:\n{creds}sync:\n{entries}")


def entry(source: str, target: str, kind: str = "repository") -> str:
    """Return an entry of a configuration."""
    return f"  - {{source: '{source}', target: '{target}', type: {kind}}}\n"


def run(folder: Path, *arguments: str) -> Done:
    """Run with the configuration of the folder."""
    return transship(*arguments, "-c", "mirror.yaml", cwd=folder)


def test_the_planned_digest_arrives_though_the_upstream_tag_moved(
    tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry
) -> None:
    """Between plan and apply upstream moves the tag: what was approved arrives."""
    approved = images.multi_platform("approved")
    images.push(upstream.url, "moving/app", "1", approved)
    configure(
        tmp_path, entry(f"{upstream.host}/moving/app:1", f"{mirror.host}/moving/app:1", "image"), upstream, mirror
    )
    assert run(tmp_path, "plan", "-o", "plan.json").code == 0
    images.push(upstream.url, "moving/app", "1", images.multi_platform("moved"))
    assert run(tmp_path, "apply", "plan.json").code == 0
    assert outside.digest(f"docker://{mirror.host}/moving/app:1") == approved.digest
    assert run(tmp_path, "check").code == 2


def test_a_target_tag_that_moved_is_refused_and_the_others_are_done(
    tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry
) -> None:
    """Exit 4; the tag that somebody else pushed stays theirs."""
    for tag in ("1", "2", "3"):
        images.push(upstream.url, "conflict/app", tag, images.single(f"new {tag}"))
    configure(tmp_path, entry(f"{upstream.host}/conflict/app", f"{mirror.host}/conflict/app"), upstream, mirror)
    assert run(tmp_path, "plan", "-o", "plan.json").code == 0
    stranger = images.single("stranger")
    images.push(mirror.url, "conflict/app", "2", stranger)
    done = run(tmp_path, "apply", "plan.json")
    assert done.code == 4
    assert (
        f"conflict: {mirror.host}/conflict/app:2 moved since the plan was made: "
        f"the plan saw absent, now it is {stranger.digest}; "
        "it was left untouched, plan again to see what would change\n"
    ) in done.out
    assert "Apply: 2 applied, 0 already as planned, 1 conflict.\n" in done.out
    assert outside.digest(f"docker://{mirror.host}/conflict/app:2") == stranger.digest
    assert outside.tags(f"docker://{mirror.host}/conflict/app") == ["1", "2", "3"]


def test_a_tampered_plan_contacts_nobody(tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry) -> None:
    """Exit 4, and not one request."""
    images.push(upstream.url, "tampered/app", "1", images.single("app"))
    configure(tmp_path, entry(f"{upstream.host}/tampered/app", f"{mirror.host}/tampered/app"), upstream, mirror)
    assert run(tmp_path, "plan", "-o", "plan.json").code == 0
    plan = tmp_path / "plan.json"
    plan.write_text(plan.read_text().replace("tampered/app:1", "tampered/evil:1"))
    for registry in (upstream, mirror):
        registry.requests.clear()
    done = run(tmp_path, "apply", "plan.json")
    assert done.code == 4
    assert done.err.startswith("error: plan.json: the plan was changed after it was made: its contents hash to sha256:")
    assert [list(registry.requests) for registry in (upstream, mirror)] == [[], []]


def test_a_plan_of_another_configuration_is_refused(
    tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry
) -> None:
    """Exit 4: what was approved is not what is configured now."""
    images.push(upstream.url, "other/app", "1", images.single("app"))
    configure(tmp_path, entry(f"{upstream.host}/other/app", f"{mirror.host}/other/app"), upstream, mirror)
    assert run(tmp_path, "plan", "-o", "plan.json").code == 0
    configure(tmp_path, entry(f"{upstream.host}/other/app", f"{mirror.host}/elsewhere/app"), upstream, mirror)
    done = run(tmp_path, "apply", "plan.json")
    assert done.code == 4
    assert done.err.startswith("error: plan.json: the plan was made from another configuration than mirror.yaml: ")


def test_killed_in_the_middle_and_run_again_it_converges(
    tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry
) -> None:
    """SIGKILL at several moments: every tag that exists is whole, and the last run finishes the work."""
    pushed = {str(number): images.multi_platform(f"kill {number}", size=400_000) for number in range(6)}
    for tag, image in pushed.items():
        images.push(upstream.url, "killed/app", tag, image)
    configure(tmp_path, entry(f"{upstream.host}/killed/app", f"{mirror.host}/killed/app"), upstream, mirror)
    assert run(tmp_path, "plan", "-o", "plan.json").code == 0
    for uploads in (1, 8, 16):
        process = subprocess.Popen(
            command("apply", "plan.json", "-c", "mirror.yaml"),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and mirror.requests.count("PUT", r"^/v2/killed/app/blobs/", 201) < uploads:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for tag in _tags_now(mirror):
            assert outside.digest(f"docker://{mirror.host}/killed/app:{tag}") == pushed[tag].digest
            outside.copy_whole(f"docker://{mirror.host}/killed/app:{tag}", str(tmp_path / f"{uploads}-{tag}"))
    assert run(tmp_path, "apply", "plan.json").code == 0
    assert _tags_now(mirror) == sorted(pushed)
    assert run(tmp_path, "check").code == 0


def _tags_now(mirror: RealRegistry) -> list[str]:
    try:
        return outside.tags(f"docker://{mirror.host}/killed/app")
    except subprocess.CalledProcessError:
        return []


def test_interrupted_it_says_how_far_it_came(tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry) -> None:
    """SIGTERM ends the run with exit 130, a summary, and no tag on incomplete content."""
    pushed = {str(number): images.single(f"term {number}", layers=4, size=900_000) for number in range(12)}
    for tag, image in pushed.items():
        images.push(upstream.url, "stopped/app", tag, image)
    configure(
        tmp_path,
        entry(f"{upstream.host}/stopped/app", f"{mirror.host}/stopped/app"),
        upstream,
        mirror,
        extra="defaults: {parallel: 1}\n",
    )
    assert run(tmp_path, "plan", "-o", "plan.json").code == 0
    process = subprocess.Popen(
        command("apply", "plan.json", "-c", "mirror.yaml"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while process.poll() is None and mirror.requests.count("PUT", r"^/v2/stopped/app/manifests/", 201) < 2:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate()
    assert process.returncode == 130, out
    assert "Interrupted. Apply the same plan again to go on; no tag points at incomplete content.\n" in out
    assert " not done.\n" in out
    assert run(tmp_path, "apply", "plan.json").code == 0
    assert run(tmp_path, "check").code == 0


def test_a_password_appears_nowhere(
    tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry, guarded: RealRegistry
) -> None:
    """Not in plans, logs, errors or the state, whether the password is right or wrong."""
    images.push(upstream.url, "secret/app", "1", images.single("app"))
    seen: list[str] = []
    for password in (PASSWORD, f"{PASSWORD}-not"):
        (tmp_path / "mirror.yaml").write_text(
            "state: state.json\ncreds:\n"
            f"  - {{registry: '{upstream.host}', tls: disabled}}\n"
            f"  - {{registry: '{guarded.host}', tls: disabled, user: robot, pass: '{password}'}}\n"
            f"sync:\n{entry(f'{upstream.host}/secret/app', f'{guarded.host}/secret/app')}"
        )
        codes: list[int] = []
        for arguments in (
            ["plan", "-o", "plan.json", "-v", "debug"],
            ["plan", "--format", "json", "-v", "debug", "--logopt", "json"],
            ["apply", "plan.json", "-v", "debug"],
            ["drift", "-v", "debug"],
            ["check", "-v", "trace"],
        ):
            done = run(tmp_path, *arguments)
            codes.append(done.code)
            seen += [done.out, done.err]
        assert codes == ([0] * 5 if password == PASSWORD else [1] * 5)
    files = [path.read_text(errors="replace") for path in tmp_path.iterdir() if path.name != "mirror.yaml"]
    assert {path.name for path in tmp_path.iterdir()} >= {"plan.json", "state.json"}
    assert not [text for text in (*seen, *files) if PASSWORD in text]
    assert f"debug: GET http://{upstream.host}/v2/secret/app/tags/list: 200\n" in "".join(seen)


def test_the_state_records_and_drift_tells(tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry) -> None:
    """Target changed, target missing and upstream moved are told apart."""
    for tag in ("1", "2"):
        images.push(upstream.url, "drift/app", tag, images.single(f"drift {tag}"))
    configure(tmp_path, entry(f"{upstream.host}/drift/app", f"{mirror.host}/drift/app"), upstream, mirror)
    assert run(tmp_path, "once", "--state", "state.json").code == 0
    state = json.loads((tmp_path / "state.json").read_text())
    assert (state["format_version"], state["serial"], len(state["records"])) == (1, 3, 2)
    quiet = run(tmp_path, "drift", "--state", "state.json")
    assert (quiet.code, quiet.out) == (0, "Drift: nothing moved; 2 recorded tags checked.\n")
    images.push(mirror.url, "drift/app", "1", images.single("stranger"))
    images.push(upstream.url, "drift/app", "2", images.single("moved"))
    moved = run(tmp_path, "drift", "--state", "state.json")
    assert moved.code == 2
    assert [line.split(": recorded")[0] for line in moved.out.splitlines()] == [
        f"target changed: {mirror.host}/drift/app:1",
        f"upstream moved: {mirror.host}/drift/app:2 from {upstream.host}/drift/app:2",
        "Drift: 2 differences; 2 recorded tags checked.",
    ]


def test_without_a_terminal_nothing_is_asked_and_nothing_is_done(
    tmp_path: Path, upstream: RealRegistry, mirror: RealRegistry
) -> None:
    """`apply` without a plan file refuses to guess the answer; `--auto-approve` gives it."""
    images.push(upstream.url, "asked/app", "1", images.single("app"))
    configure(tmp_path, entry(f"{upstream.host}/asked/app", f"{mirror.host}/asked/app"), upstream, mirror)
    refused = run(tmp_path, "apply")
    assert refused.code == 1
    assert "Plan: 1 to create, 0 unchanged." in refused.out
    assert refused.err == (
        "error: there is no terminal to ask for approval: "
        "apply a plan file that was approved, or give --auto-approve; nothing was changed\n"
    )
    assert run(tmp_path, "apply", "--auto-approve").code == 0
    assert outside.tags(f"docker://{mirror.host}/asked/app") == ["1"]
