"""A walk through transship with the real program on real images in OCI image layouts; nothing is contacted."""

import asyncio
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import typer

from transship.demo_images import PLATFORMS, push_image
from transship.streams import our_controls
from transship_executor.scratch import scratch_folder
from transship_registry.errors import TransshipError
from transship_registry.layout import LayoutStore
from transship_registry.reference import Reference, Repository

_CONFIG: Final = """\
version: 1
state: state.json
sync:
  - source: ocidir://upstream/app      # whatever the vendor publishes ...
    target: ocidir://mirror/app        # ... and where we keep what we approved
    type: repository
    tags:
      allow: ["1\\\\.\\\\d+", "stable"]
      deny: ["1\\\\.0"]
  - source: ocidir://upstream/tool:latest
    target: ocidir://mirror/tool:latest
    type: image
"""


class DemoError(TransshipError):
    """A folder in which the demo would get in somebody's way."""


def run(folder: Path | None) -> int:
    """Walk through plan, apply, check and drift in `folder`; returns 0 when every step ended as it should.

    Raises `DemoError` when there is something in the folder, or none can be made.
    """
    if folder is not None:
        _claim(folder)
        return _Walk(folder).through()
    with scratch_folder("demo") as temporary:
        return _Walk(temporary).through()


def _claim(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise DemoError(f"{folder}: cannot work in this folder: {error.strerror}; name another one") from error
    if not is_empty:
        raise DemoError(f"{folder} is not empty, and the demo writes files of its own there: name a new folder")


class _Walk:
    """The steps, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._surprises = 0

    def through(self) -> int:
        """Take every step."""
        self._say("Upstream publishes two repositories of multi-platform images. Our configuration, mirror.yaml:")
        (self._folder / "mirror.yaml").write_text(_CONFIG, encoding="utf-8")
        typer.echo(_CONFIG)
        asyncio.run(self._publish())
        self._transship("What would be copied? The plan goes into a file, for review.", "plan -o plan.json")
        self._look_at_plan()
        self._transship("Approved: apply exactly that plan.", "apply plan.json")
        self._transship("Applying it again does nothing.", "apply plan.json")
        self._transship("The nightly check is green.", "check")
        self._say("Upstream moves the tag stable to a new build, and publishes 1.3 ...")
        asyncio.run(self._move_upstream())
        self._transship("... and the check goes red (exit 2).", "check", expected=2)
        self._transship("What exactly changed, inside the image?", "plan -o plan.json --detailed-exitcode", expected=2)
        self._transship("Apply that, too.", "apply plan.json")
        self._say("Somebody pushes over mirror/tool:latest behind our back ...")
        asyncio.run(self._tamper())
        self._transship("... and drift tells what was recorded, and what is there now (exit 2).", "drift", expected=2)
        self._say("That was plan, apply, check and drift." if not self._surprises else "Something went wrong above.")
        return 1 if self._surprises else 0

    async def _publish(self) -> None:
        async with LayoutStore() as store:
            for version in ("1.0", "1.1", "1.2"):
                await push_image(store, self._tag("upstream/app", version), version)
            await push_image(store, self._tag("upstream/app", "stable"), "1.2")
            await push_image(store, self._tag("upstream/tool", "latest"), "tool 7", PLATFORMS[:2])

    async def _move_upstream(self) -> None:
        async with LayoutStore() as store:
            await push_image(store, self._tag("upstream/app", "1.3"), "1.3")
            await push_image(store, self._tag("upstream/app", "stable"), "1.3", PLATFORMS[:2])

    async def _tamper(self) -> None:
        async with LayoutStore() as store:
            await push_image(store, self._tag("mirror/tool", "latest"), "not what was approved", PLATFORMS[:1])

    def _tag(self, layout: str, tag: str) -> Reference:
        return Repository.layout(str(self._folder / layout)).tag(tag)

    def _look_at_plan(self) -> None:
        text = (self._folder / "plan.json").read_text(encoding="utf-8")
        self._say("The plan file pins every digest, and carries its own. It begins:")
        typer.echo(f"{text[:300]} … ({len(text)} bytes)\n")

    def _transship(self, why: str, arguments: str, *, expected: int = 0) -> None:
        self._say(why)
        typer.secho(f"$ transship -c mirror.yaml {arguments}", bold=True, file=our_controls(sys.stdout))
        command = [sys.executable, "-m", "transship", "-c", "mirror.yaml", *shlex.split(arguments)]
        done = subprocess.run(command, cwd=self._folder, check=False)  # noqa: S603 - our own program, fixed arguments
        typer.echo(f"(exit {done.returncode})\n")
        if done.returncode != expected:
            self._surprises += 1
            typer.secho(f"expected exit {expected}", fg="red", file=our_controls(sys.stderr))

    @staticmethod
    def _say(text: str) -> None:
        typer.secho(f"# {text}", fg="cyan", file=our_controls(sys.stdout))
