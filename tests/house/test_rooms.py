"""The house keeps its shape: imports go one way, and the wheel holds all rooms and nothing else."""

import ast
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "transship_registry": ROOT / "registry",
    "transship_state": ROOT / "state",
    "transship_planner": ROOT / "planner",
    "transship_executor": ROOT / "executor",
    "transship": ROOT / "cli",
}
ORDER = list(ROOMS)


def _sources(room: str) -> Iterator[Path]:
    yield from (ROOMS[room] / room).rglob("*.py")


def _imported_rooms(source: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: relative import in line {node.lineno}"
            found.add((node.module or "").split(".")[0])
    return found & set(ROOMS)


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    """Cli → executor → planner → state → registry, and never back."""
    allowed = set(ORDER[: ORDER.index(room) + 1])
    sources = list(_sources(room))
    assert sources, f"room {room} is empty"
    offenders = {str(source): _imported_rooms(source) - allowed for source in sources}
    assert {source: rooms for source, rooms in offenders.items() if rooms} == {}


def test_planning_is_never_handed_a_writer() -> None:
    """A plan that writes does not type-check, since the planner does not know the writing port."""
    assert [
        path for path in _sources("transship_planner") if "RegistryWriter" in path.read_text(encoding="utf-8")
    ] == []


def test_http_is_only_spoken_in_the_registry_room() -> None:
    """No other room imports an HTTP library."""
    for room in ORDER[1:]:
        for source in _sources(room):
            assert not {"httpx", "aiohttp"} & _top_level_imports(source), source


def test_only_the_door_prints_and_exits() -> None:
    """Rooms below the door neither print nor end the program."""
    for room in ORDER[:-1]:
        for source in _sources(room):
            tree = ast.parse(source.read_text(encoding="utf-8"))
            called = {
                node.func.id
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert not called & {"print", "exit", "quit", "input"}, source
            assert "typer" not in _top_level_imports(source), source


def _top_level_imports(source: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_the_wheel_holds_the_rooms_and_nothing_else(tmp_path: Path) -> None:
    """Every file of every room is in the wheel, and no other file is."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        str(path.relative_to(folder))
        for room, folder in ROOMS.items()
        for path in (folder / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == expected


_DECODERS = {"json.loads", "json.load", "msgspec.json.decode", "msgspec.json.Decoder", "msgspec.convert", "yaml.parse"}
_MAY_DECODE = {
    "codec.py": {"json.loads", "msgspec.json.Decoder", "msgspec.convert"},
    "yamltree.py": {"yaml.parse"},
    # a date in a text, not a document
    "hub.py": {"msgspec.convert"},
    "document.py": {"msgspec.convert"},
}


@pytest.mark.parametrize("room", ORDER)
def test_documents_are_decoded_in_one_place(room: str) -> None:
    """What parsers raise for strange documents is an error of ours there, and nowhere else has to think of it."""
    for source in _sources(room):
        used = {
            name
            for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute) and (name := ast.unparse(node)) in _DECODERS
        }
        assert used <= _MAY_DECODE.get(source.name, set()), source
        assert "rfc8785" not in _top_level_imports(source) or source.name in {"codec.py", "canonical.py"}, source
