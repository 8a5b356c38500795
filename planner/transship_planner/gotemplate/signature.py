"""Functions and methods that a template may call, with Go's types for their arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Parameter(Enum):
    """The type of a parameter; the value is Go's name for it."""

    ANY = "interface {}"
    STRING = "string"
    STRINGS = "[]string"
    INT = "int"
    DURATION = "time.Duration"
    TIME = "time.Time"


@dataclass(frozen=True)
class Function:
    """A function: what it takes, and what runs.

    The implementation gets positional arguments that have been checked against `parameters` (and `rest`, for the
    variadic ones); nil arrives as None. It raises FunctionError to stop the template. A lazy one gets a single
    iterator instead, which evaluates each argument when it is asked for.
    """

    implementation: Callable[..., object]
    parameters: tuple[Parameter, ...] = ()
    rest: Parameter | None = None
    lazy: bool = False

    @property
    def type_name(self) -> str:
        """The function's type as Go spells it, results left out."""
        names = [parameter.value for parameter in self.parameters]
        if self.rest is not None:
            names.append(f"...{self.rest.value}")
        return f"func({', '.join(names)})"

    def parameter(self, position: int) -> Parameter:
        """Return the type of the argument at a position; the count has been checked."""
        if position < len(self.parameters):
            return self.parameters[position]
        assert self.rest is not None
        return self.rest

    def wrong_count(self, count: int) -> str | None:
        """Say in Go's words what is wrong with a number of arguments; None if nothing is."""
        least = len(self.parameters)
        if self.rest is None and count != least:
            return f"want {least} got {count}"
        if count < least:
            return f"want at least {least} got {count}"
        return None
