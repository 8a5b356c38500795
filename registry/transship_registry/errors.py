"""The error tree of the whole house, and the branches that belong to the OCI world.

Errors branch by what the caller can do about them::

    TransshipError                    anything transship says is wrong; the door prints it and exits
    ├── InvalidReferenceError         fix the reference, digest or platform that was written
    ├── RegistryError                 a registry or layout did not do what it was asked
    │   ├── UnreachableError          bring the registry back, or mend the way to it
    │   ├── AuthenticationError       give (other) credentials
    │   ├── NotFoundError             it is not there
    │   ├── RateLimitedError          come back later
    │   ├── UnsupportedError          this registry, or this content, cannot do that
    │   ├── MissingContentError       a manifest was refused for content that it points at; bring that first
    │   └── LayoutError               an OCI image layout cannot be read; it is never overwritten
    ├── IncompleteListError           a list of tags or repositories broke off; nothing may be concluded from it
    ├── ContentError                  bytes that are not what their digest, size or media type promised
    ├── DocumentError                 a document is not what its kind should be; its reader says which, and where
    ├── HostConfigError               a registry's settings cannot be used (certificate, key, login)
    ├── ConfigError                   (planner) fix the configuration file
    ├── TemplateError                 (planner) fix the Go template
    ├── PlanError                     (planner) the plan may not be used
    │   ├── TamperedPlanError         its digest does not match
    │   ├── StalePlanError            it was made against another world
    │   └── UnsafePlanError           a safety limit or policy refuses it
    ├── ConflictError                 (executor) a target moved since the plan was made
    └── StateError                    (state) the state file cannot be used
        ├── StateLockedError          somebody else holds it
        └── LineageError              it belongs to another world

A message says what was attempted, on which reference, what was expected and what came, and the way out.
No message ever holds a secret: `str` takes out every one that this process knows.
"""

from typing import TYPE_CHECKING

from typing_extensions import override

from transship_registry.secret import hide

if TYPE_CHECKING:
    from transship_registry.digest import Digest


class TransshipError(Exception):
    """Any error that transship reports; `str(error)` is fit to print, and for files that others read."""

    @override
    def __str__(self) -> str:
        return hide(super().__str__())

    @property
    def lines(self) -> tuple[str, ...]:
        """What is said, one thing a line: texts from elsewhere, of which a line end is part, make no more of them."""
        return (str(self),)


class InvalidReferenceError(TransshipError, ValueError):
    """A reference, digest, tag or platform that its grammar does not allow."""


class RegistryError(TransshipError):
    """A registry or layout did not do what it was asked.

    `attempted` says what was asked ("HEAD manifest"), `reference` of what, `status` the HTTP status when there was
    one, `answer` what came back in one line, `advice` what to do about it. `cause` is why, and the way out, in one
    sentence; where it is known it goes first, and the protocol's words follow it.
    """

    def __init__(
        self, attempted: str, reference: str, answer: str, *, status: int | None = None, advice: str = ""
    ) -> None:
        """Compose the message from its parts."""
        self.attempted = attempted
        self.reference = reference
        self.answer = answer
        self.status = status
        self.advice = advice
        self.cause = ""
        message = f"{attempted} {reference}: {answer}"
        super().__init__(f"{message}; {advice}" if advice else message)

    def explain(self, cause: str) -> None:
        """Add the cause once it is known."""
        self.cause = cause
        self.args = (f"{self.reference}: {cause} ({self.attempted}: {self.answer})",)


class UnreachableError(RegistryError):
    """Nobody answers at an address, whatever is asked for: `reference` is the address, not what was asked."""


class AuthenticationError(RegistryError):
    """The registry wants other credentials, or these may not do this (401, 403)."""


class NotFoundError(RegistryError):
    """The repository, tag, manifest or blob is not there (404)."""


class RateLimitedError(RegistryError):
    """The registry asks to come back later (429)."""


class UnsupportedError(RegistryError):
    """The registry cannot do this, or the content is of a kind transship does not copy."""


class MissingContentError(RegistryError):
    """A manifest was refused because content that it points at is missing.

    `digests` are those that were named; none when none was. A registry may have said a moment ago that they exist: send
    them once more, whatever a HEAD says (https://github.com/cloudfoundry/korifi/issues/2381).
    """

    def __init__(
        self,
        attempted: str,
        reference: str,
        answer: str,
        *,
        digests: "tuple[Digest, ...]",
        status: int | None = None,
        advice: str = "",
    ) -> None:
        """Compose the message, which names the digests unless `advice` says something else."""
        self.digests = digests
        named = f"upload {', '.join(map(str, digests))} again" if digests else "upload the content again"
        super().__init__(attempted, reference, answer, status=status, advice=advice or named)


class LayoutError(RegistryError):
    """An OCI image layout that cannot be read, locked or written."""


class IncompleteListError(TransshipError):
    """A list of tags or repositories that broke off, where only the whole of it would do."""


class DocumentError(TransshipError, ValueError):
    """A JSON document that cannot be read or written; the text says what is wrong with it, and nothing else.

    Whoever reads a document makes an error of its own branch of it, which says what kind it is and where it is from.
    """


class ContentError(TransshipError):
    """Bytes that are not what their digest, size or media type promised.

    Nothing of them has been stored as a success.
    """
