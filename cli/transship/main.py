"""The commands and their options. Everything heavy is imported by the command that needs it, so that help is quick."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
import typer.main
from typer.core import TyperGroup

from transship.arguments import Options, arranged
from transship.interrupts import INTERRUPTED
from transship.invocation import Invocation, LogFormat
from transship_registry.presentable import presentable

if TYPE_CHECKING:
    from transship.deadline import Deadline

_ANYWHERE: Final = "The options -c, -v, --logopt and --no-color may stand before or after the command."

_ERROR: Final = 1

app = typer.Typer(
    name="transship",
    help="Mirror container images the way Terraform changes infrastructure: plan, review, apply, check.",
    epilog=_ANYWHERE,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(StrEnum):
    """How a plan is printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class ListFormat(StrEnum):
    """How a list of findings is printed."""

    TEXT = "text"
    JSON = "json"


class ForeignTool(StrEnum):
    """Whose configuration file is turned into ours."""

    SKOPEO = "skopeo"
    DREGSY = "dregsy"
    IMAGE_SYNCER = "image-syncer"


class ConfigFormat(StrEnum):
    """How the normalised configuration is printed."""

    YAML = "yaml"
    JSON = "json"


StateOption = Annotated[
    Path | None, typer.Option("--state", metavar="FILE", help="State file; overrides `state:` of the configuration.")
]
MissingOption = Annotated[
    bool, typer.Option("--missing", help="Only tags that the target lacks; existing ones are not compared.")
]
NoHooksOption = Annotated[bool, typer.Option("--no-hooks", help="Do not run the hooks of the configuration.")]
IgnoreMinAgeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore-min-age",
        metavar="REF",
        help="Do not hold this source or target for min_age, or only this digest of it; repeatable.",
    ),
]
TimeoutOption = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        help="Give up after this time, such as 90s or 5m: exit 1, and nothing is written.",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print the plan.")]
ListFormatOption = Annotated[ListFormat, typer.Option("--format", help="How to print what was found.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(
            "-c",
            "--config",
            metavar="FILE",
            help="Configuration file, - for standard input; by default $IMGLIFE_CONFIG, else transship.yaml (or .yml), "
            "regsync.yml (or .yaml) or imglife.yaml in this folder.",
        ),
    ] = None,
    verbosity: Annotated[
        str, typer.Option("-v", "--verbosity", metavar="LEVEL", help="Log level: debug, info, warn or error.")
    ] = "info",
    logopt: Annotated[LogFormat, typer.Option("--logopt", help="Log format.")] = LogFormat.TEXT,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours (or set NO_COLOR in the environment).")
    ] = False,
    show_version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit."),
    ] = False,
) -> None:
    """Mirror container images the way Terraform changes infrastructure: plan, review, apply, check."""
    context.obj = Invocation(config=config, verbosity=verbosity, log_format=logopt, no_color=no_color)


@app.command()
def plan(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the plan file here.")] = None,
    missing: MissingOption = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes, 0 when there are none.")
    ] = False,
    form: FormatOption = Format.TEXT,
    state: StateOption = None,
    ignore_min_age: IgnoreMinAgeOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Show what apply would change; exit 1 when something cannot be planned."""
    from transship import planning

    invocation = _started(context)
    invocation.finish(
        planning.plan(
            invocation,
            out=out,
            missing=missing,
            detailed=detailed_exitcode,
            form=form.value,
            state_file=state,
            deadline=_deadline(timeout),
            ignored=ignore_min_age or (),
        )
    )


@app.command()
def show(
    context: typer.Context,
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file made by `transship plan -o`.")],
    form: FormatOption = Format.TEXT,
) -> None:
    """Show a plan file; nothing is contacted."""
    from transship import planning

    invocation = _started(context)
    invocation.finish_now(lambda: planning.show(plan_file, form=form.value))


@app.command()
def apply(
    context: typer.Context,
    plan_file: Annotated[
        Path | None,
        typer.Argument(metavar="[PLAN]", help="The plan file to apply; without one: plan, show, ask, apply."),
    ] = None,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", help="Do not ask before applying.")] = False,
    missing: MissingOption = False,
    state: StateOption = None,
    no_hooks: NoHooksOption = False,
    ignore_min_age: IgnoreMinAgeOption = None,
) -> None:
    """Copy exactly what a plan approved, where the target still is as the plan saw it."""
    from transship import applying

    invocation = _started(context)
    if plan_file is not None and (missing or auto_approve or ignore_min_age):
        raise typer.BadParameter(
            "a plan file is approved already: it goes without --missing, --auto-approve and --ignore-min-age"
        )
    if plan_file is not None:
        invocation.finish(applying.apply_file(invocation, plan_file, state_file=state, with_hooks=not no_hooks))
    else:
        invocation.finish(
            applying.apply_now(
                invocation,
                missing=missing,
                state_file=state,
                approved=auto_approve,
                with_hooks=not no_hooks,
                ignored=ignore_min_age or (),
            )
        )


@app.command()
def once(
    context: typer.Context,
    missing: MissingOption = False,
    state: StateOption = None,
    no_hooks: NoHooksOption = False,
    ignore_min_age: IgnoreMinAgeOption = None,
) -> None:
    """Plan and apply in one go without asking, as regsync's once does."""
    from transship import applying

    invocation = _started(context)
    invocation.finish(
        applying.apply_now(
            invocation,
            missing=missing,
            state_file=state,
            approved=True,
            with_hooks=not no_hooks,
            ignored=ignore_min_age or (),
        )
    )


@app.command()
def check(
    context: typer.Context,
    missing: MissingOption = False,
    form: ListFormatOption = ListFormat.TEXT,
    state: StateOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 2 for warnings, too.")] = False,
    timeout: TimeoutOption = None,
) -> None:
    """Exit 0 when the targets are as the configuration wants them, 2 when not."""
    from transship import planning

    invocation = _started(context)
    invocation.finish(
        planning.check(
            invocation,
            missing=missing,
            form=form.value,
            state_file=state,
            deadline=_deadline(timeout),
            strict=strict,
        )
    )


@app.command()
def drift(
    context: typer.Context,
    form: ListFormatOption = ListFormat.TEXT,
    state: StateOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Compare the state file with what is there now; exit 2 when something moved."""
    from transship import drifting

    invocation = _started(context)
    invocation.finish(drifting.drift(invocation, state_file=state, form=form.value, deadline=_deadline(timeout)))


@app.command()
def validate(
    context: typer.Context,
    form: ListFormatOption = ListFormat.TEXT,
) -> None:
    """Check the configuration: all errors and warnings at once, nothing is contacted; exit 1 when there is an error."""
    from transship import configuring

    invocation = _started(context)
    invocation.finish_now(lambda: configuring.validate(invocation, form=form.value))


@app.command()
def config(
    context: typer.Context,
    form: Annotated[ConfigFormat, typer.Option("--format", help="How to print the configuration.")] = ConfigFormat.YAML,
) -> None:
    """Print the configuration as it is understood: defaults and templates applied, secrets as ***."""
    from transship import configuring

    invocation = _started(context)
    invocation.finish_now(lambda: configuring.config(invocation, form=form.value))


@app.command()
def schema(context: typer.Context) -> None:
    """Print the JSON Schema of configuration files, for editors."""
    from transship import configuring

    _started(context).finish_now(configuring.schema)


@app.command()
def why(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help="A tag at a source or at a target.")],
    tags_from: Annotated[
        Path | None,
        typer.Option("--tags-from", metavar="FILE", help="Read the source's tags here, one a line; ask no registry."),
    ] = None,
    form: ListFormatOption = ListFormat.TEXT,
    state: StateOption = None,
) -> None:
    """Tell which entry and rule selects a tag, drops it or renames it; exit 1 when nothing selects it."""
    from transship import explaining

    invocation = _started(context)
    invocation.finish(explaining.why(invocation, reference, tags_from=tags_from, form=form.value, state_file=state))


eol_app = typer.Typer(
    name="eol",
    help="Tell when what is mirrored comes to its end of life; nothing is changed.",
    epilog=_ANYWHERE,
    invoke_without_command=True,
)
app.add_typer(eol_app)


@eol_app.callback()
def eol(
    context: typer.Context,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when a tag is past its end of life, or soon will be.")
    ] = False,
    form: ListFormatOption = ListFormat.TEXT,
) -> None:
    """Tell when what is mirrored comes to its end of life; nothing is changed."""
    if context.invoked_subcommand is not None:
        if detailed_exitcode or form is not ListFormat.TEXT:
            raise typer.BadParameter("--detailed-exitcode and --format go with `eol` alone")
        return
    from transship import eol

    invocation = _started(context)
    invocation.finish(eol.eol(invocation, form=form.value, detailed=detailed_exitcode))


@eol_app.command()
def update(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written, and write nothing.")] = False,
    data_file: Annotated[
        Path | None,
        typer.Option("--data-file", metavar="PATH", help="Write here; overrides lifecycle.eol_data_file."),
    ] = None,
) -> None:
    """Fetch the end-of-life dates of all products that entries name, and write them to a file for `eol_data_file`."""
    from transship import eol

    invocation = _started(context)
    invocation.finish(eol.update(invocation, data_file=data_file, dry_run=dry_run))


@app.command()
def migrate(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The other tool's file, - for standard input.")],
    tool: Annotated[
        ForeignTool | None, typer.Option("--from", help="Whose file it is; by default that is told from its contents.")
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="REGISTRY/PREFIX",
            help="skopeo: the destination, last argument of skopeo sync; image-syncer: where images without target go.",
        ),
    ] = "",
    scoped: Annotated[
        bool, typer.Option("--scoped", help="skopeo: keep the whole name of a source below the destination.")
    ] = False,
    auth: Annotated[
        str | None, typer.Option("--auth", metavar="FILE", help="image-syncer: the file of logins, when it is another.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the configuration here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of -o when it is there.")] = False,
) -> None:
    """Turn a configuration of skopeo sync, dregsy or image-syncer into ours; what differs is told, logins stay out."""
    from transship import migrating

    invocation = _started(context)
    invocation.finish_now(
        lambda: migrating.migrate(file, tool=tool, to=to, scoped=scoped, logins=auth, out=out, overwrite=force)
    )


@app.command()
def demo(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]", help="Where to work, a new or empty folder; a temporary one when not given."
        ),
    ] = None,
) -> None:
    """Walk through plan, apply, check and drift on real images, without a network."""
    from transship import demonstration

    _started(context).finish_now(lambda: demonstration.run(folder))


@app.command()
def version() -> None:
    """Print the version, as --version does."""
    from transship.versions import tool_version

    sys.stdout.write(f"transship {tool_version()}\n")


def _deadline(text: str | None) -> "Deadline":
    """Let the time of a command begin; raises `typer.BadParameter`."""
    from transship.deadline import Deadline
    from transship_planner.config.durations import SECOND, parse_duration

    if text is None:
        return Deadline(None)
    try:
        nanoseconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"--timeout: {error}") from None
    if nanoseconds <= 0:
        raise typer.BadParameter(f"--timeout: {text!r} is no time; write it like '90s', '15m' or '1h15m'")
    return Deadline(text, nanoseconds / SECOND)


def _started(context: typer.Context) -> Invocation:
    assert isinstance(context.obj, Invocation)
    context.obj.start()
    return context.obj


def run() -> int:
    """Run transship with the arguments of the process, and return the command's exit code.

    Wrong arguments are an error like any other, exit 1: by 2, CI would understand that changes are pending.
    """
    try:
        program = typer.main.get_command(app)
        assert isinstance(program, TyperGroup)
        arguments = arranged(sys.argv[1:], Options.of(program)) or ["--help"]
        code = program(arguments, prog_name="transship", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    except typer.TyperException as error:
        message = error.format_message().removesuffix(".")
        sys.stderr.write(f"error: {presentable(message)}; see transship --help\n")
        return _ERROR
    return int(code or 0)
