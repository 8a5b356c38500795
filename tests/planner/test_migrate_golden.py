"""Files of other tools in, a configuration of ours and what there is to say about it out.

Each folder below `migrate` is a case: `input.yaml` or `input.json`, the options in `args`, and what comes of them, in
`expected.yaml` and `warnings.txt`, or in `errors.txt`. `pytest --update-golden` rewrites those, and the diff is
reviewed. Written by hand, from the documentation of the tools, are `mirrored.txt`, the images that the tool would
mirror, and `tags.yaml`, the tags of the repositories that they come from.
"""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from transship_planner.config import loads
from transship_planner.config.validation import validate
from transship_planner.desired import Entry, ImageScope, RegistryScope, RepositoryScope
from transship_planner.errors import ConfigError
from transship_planner.migrate import Migration, Options, Tool, migrate

FOLDER = Path(__file__).parent / "migrate"
CASES = sorted(path.name for path in FOLDER.iterdir())
GOOD = [case for case in CASES if not case.startswith("error-")]
BAD = [case for case in CASES if case.startswith("error-")]
HAND_WRITTEN = [case for case in GOOD if (FOLDER / case / "mirrored.txt").exists()]
SECRETS = ("this is a secret", "hunter2", "hunter3", "eyJ1c2Vy", "alsosecret")


def convert(case: str) -> Migration:
    """Migrate a case as its `args` say."""
    folder = FOLDER / case
    given = iter(shlex.split((folder / "args").read_text()))
    options = {name: next(given) if name != "--scoped" else "" for name in given}
    logins = options.get("--auth")
    (source,) = folder.glob("input.*")
    return migrate(
        source.read_bytes(),
        source.name,
        Options(
            tool=Tool(options["--from"]) if "--from" in options else None,
            to=options.get("--to", ""),
            scoped="--scoped" in options,
            logins=((folder / logins).read_bytes(), logins) if logins else None,
        ),
    )


def compare(path: Path, text: str, request: pytest.FixtureRequest) -> None:
    """Compare with a golden file, or rewrite it."""
    if request.config.getoption("--update-golden"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("case", GOOD)
def test_golden_migration(case: str, request: pytest.FixtureRequest) -> None:
    """The new file and the warnings are what was reviewed, and hold no secret of the old one."""
    migration = convert(case)
    warnings = "".join(f"{note}\n" for note in migration.notes)
    compare(FOLDER / case / "expected.yaml", migration.text, request)
    compare(FOLDER / case / "warnings.txt", warnings, request)
    assert [secret for secret in SECRETS if secret in migration.text + warnings + repr(migration)] == []


@pytest.mark.parametrize("case", BAD)
def test_golden_mistakes(case: str, request: pytest.FixtureRequest) -> None:
    """Everything that is wrong is said at once, each with file, line and column, and no secret is."""
    with pytest.raises(ConfigError) as caught:
        convert(case)
    compare(FOLDER / case / "errors.txt", f"{caught.value}\n", request)
    assert [secret for secret in SECRETS if secret in str(caught.value)] == []


@pytest.mark.parametrize("case", GOOD)
def test_what_comes_out_is_valid(case: str, tmp_path: Path) -> None:
    """Validation finds nothing, once the variables are set that the file asks for."""
    migration = convert(case)
    environment = dict.fromkeys(migration.variables, "placeholder")
    (tmp_path / "transship.yaml").write_text(migration.text)
    validation = validate(str(tmp_path / "transship.yaml"), environment=environment)
    nothing = ["there are no entries under 'sync': nothing is mirrored"] if case == "skopeo-nothing-left" else []
    assert [finding.message for finding, _ in validation.findings] == nothing
    assert (validation.valid, validation.entries) == (True, migration.entries)


@pytest.mark.parametrize("case", GOOD)
def test_every_line_of_the_old_file_that_is_warned_about_is_noted_in_the_new_one(case: str) -> None:
    """What is said on standard error stands as a comment in the new file, too."""
    migration = convert(case)
    comments = {line.strip() for line in migration.text.splitlines()}
    about_the_new_file = "of what this becomes: "
    messages = [note.message for note in migration.notes if not note.message.startswith(about_the_new_file)]
    assert [message for message in messages if f"# note: {message}" not in comments] == []


@pytest.mark.parametrize("case", HAND_WRITTEN)
def test_the_same_images_are_mirrored(case: str) -> None:
    """The new file selects what the other tool's documentation says that it would copy."""
    migration = convert(case)
    environment = dict.fromkeys(migration.variables, "placeholder")
    desired = loads(migration.text.encode(), file="transship.yaml", environment=environment)
    tags = FOLDER / case / "tags.yaml"
    repositories: dict[str, list[str]] = yaml.safe_load(tags.read_text()) if tags.exists() else {}
    found = {line for entry in desired.entries for line in mirrored(entry, repositories)}
    assert sorted(found) == (FOLDER / case / "mirrored.txt").read_text().splitlines()


def mirrored(entry: Entry, repositories: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield the images of an entry, given the tags of repositories."""
    match entry.scope:
        case ImageScope(source, target):
            yield f"{source} -> {target}"
        case RepositoryScope(source, target, selection):
            for tag in selection.select(repositories[str(source)]):
                yield f"{source}:{tag} -> {target}:{tag}"
        case RegistryScope() as scope:
            names = [name.removeprefix(f"{scope.source}/") for name in repositories if name.startswith(scope.source)]
            for name in filter(scope.selects, names):
                repository = scope.repository(name)
                for tag in scope.selection.select(repositories[str(repository.source)]):
                    yield f"{repository.source}:{tag} -> {repository.target}:{tag}"


def test_the_cases_are_found() -> None:
    """The folders are there: a test over no cases proves nothing."""
    assert (len(GOOD), len(BAD), len(HAND_WRITTEN)) >= (15, 15, 10)
