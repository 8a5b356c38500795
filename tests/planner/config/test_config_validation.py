"""Validating a configuration tells everything about it at once, and uses nothing of it."""

from transship_planner.config.validation import Severity, Validation, validate
from transship_planner.desired import Dialect
from transship_planner.errors import Finding, Mark


def validated(text: str, path: str = "c.yaml") -> Validation:
    return validate(path, environment={}, read_file=lambda _: text.encode(), stdin=text.encode)


def test_errors_and_warnings_come_in_file_order() -> None:
    """A file that is refused tells its warnings too, each at its place."""
    validation = validated(
        "creds:\n"
        "  - {user: robot}\n"
        "sync:\n"
        "  - {source: a, target: 'r:1/a', type: repository, tags: {allow: [3.10, '(']}}\n"
        "  - {source: b, target: 'r:1/b', typo: image, referrerSlow: true}\n"
    )
    assert validation == Validation(
        "c.yaml",
        (
            (
                Finding(Mark("c.yaml", 2, 5), "creds[0] has no 'registry' and is ignored"),
                Severity.WARNING,
            ),
            (
                Finding(
                    Mark("c.yaml", 4, 67),
                    'sync[0].tags.allow[0]: 3.10 without quotes is read as 3.1; write "3.10" if that is meant',
                ),
                Severity.WARNING,
            ),
            (
                Finding(
                    Mark("c.yaml", 4, 73),
                    "sync[0].tags.allow[1]: pattern '(' is not a regular expression (RE2): a '(' is not closed",
                ),
                Severity.ERROR,
            ),
            (
                Finding(Mark("c.yaml", 5, 5), "sync[1] lacks 'type': 'image', 'repository' or 'registry'"),
                Severity.ERROR,
            ),
            (
                Finding(Mark("c.yaml", 5, 34), "unknown key 'typo' in sync[1]; did you mean 'type'?"),
                Severity.ERROR,
            ),
            (Finding(Mark("c.yaml", 5, 47), "sync[1].referrerSlow has no effect"), Severity.WARNING),
        ),
    )
    assert not validation.valid
    assert [validation.count(severity) for severity in Severity] == [3, 3]


def test_a_good_file_is_valid() -> None:
    """What is good is said to be good, with its format and the number of its entries."""
    validation = validated("sync: {entries: [{source: a, target: 'r:1/a', tag: x}]}")
    assert validation == Validation("c.yaml", (), Dialect.IMGLIFE, 1)
    assert validation.valid


def test_standard_input_has_a_name_in_messages() -> None:
    """A file from standard input is validated as any other."""
    assert validated("sync: 1", "-").findings == (
        (Finding(Mark("<stdin>", 1, 7), "sync: expected a list, found a number"), Severity.ERROR),
    )


def test_a_file_that_cannot_be_read_is_a_finding() -> None:
    """Whoever reads the report of a run finds this in it as well."""

    def refuse(path: str) -> bytes:
        raise PermissionError(13, "Permission denied")

    assert validate("c.yaml", environment={}, read_file=refuse) == Validation(
        "c.yaml",
        ((Finding(Mark("c.yaml", 1, 1), "the configuration cannot be read: Permission denied"), Severity.ERROR),),
    )


def test_a_broken_file_tells_the_warnings_before_the_break() -> None:
    """Where reading has to stop, that is the last finding."""
    validation = validated("sync: [}")
    assert [severity for _, severity in validation.findings] == [Severity.ERROR]
