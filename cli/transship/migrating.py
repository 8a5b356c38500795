"""The command that turns another tool's configuration file into ours: migrate."""

from pathlib import Path

from transship.exits import Exit
from transship.files import replace_file
from transship.invocation import LOG
from transship.streams import write_yaml
from transship_planner.config.loader import STDIN, STDIN_NAME, read_path, read_stdin
from transship_planner.errors import ConfigError, Finding, Mark
from transship_planner.migrate import Migration, Options, Tool
from transship_planner.migrate import migrate as migrated


def migrate(
    file: str, *, tool: str | None, to: str, scoped: bool, logins: str | None, out: Path | None, overwrite: bool
) -> int:
    """Print the new configuration, or write it to `out`, and log what differs or was left out."""
    if out is not None and not overwrite:
        _refuse_existing(out)
    options = Options(
        tool=Tool(tool) if tool else None,
        to=to,
        scoped=scoped,
        logins=(_read(logins), _name(logins)) if logins else None,
    )
    migration = migrated(_read(file), _name(file), options)
    if options.tool is None:
        LOG.info("%s is read in %s; name another with --from.", _name(file), migration.tool.format_name)
    for note in migration.notes:
        LOG.warning("%s", note)
    if out is None:
        write_yaml(migration.text)
    else:
        _write(out, migration.text)
        _tell(migration, out)
    return Exit.OK


def _name(file: str) -> str:
    return STDIN_NAME if file == STDIN else file


def _read(file: str) -> bytes:
    try:
        return read_stdin() if file == STDIN else read_path(file)
    except OSError as error:
        raise ConfigError(Finding(Mark(_name(file), 1, 1), f"the file cannot be read: {error.strerror}")) from None


def _tell(migration: Migration, out: Path) -> None:
    count = f"{migration.entries} {'entry' if migration.entries == 1 else 'entries'}"
    LOG.info("%s has %s. Try it with: transship plan -c %s", out, count, out)
    if migration.variables:
        LOG.info("It asks for these environment variables: %s", ", ".join(migration.variables))


def _refuse_existing(out: Path) -> None:
    if out.is_file():
        raise ConfigError(Finding(Mark(str(out), 1, 1), "the file is there already; give --force to replace it"))


def _write(out: Path, text: str) -> None:
    try:
        replace_file(out, text.encode())
    except OSError as error:
        raise ConfigError(Finding(Mark(str(out), 1, 1), f"the file cannot be written: {error.strerror}")) from None
