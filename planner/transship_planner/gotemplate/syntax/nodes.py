"""The syntax tree; str() of a node is its source in Go's canonical spelling, as errors quote it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from transship_planner.gotemplate.syntax.literals import NumberValue


@dataclass(frozen=True, slots=True)
class Field:
    """`.A.B` on dot."""

    offset: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x.A.B`; the name includes the dollar sign."""

    offset: int
    name: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function."""

    offset: int
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Dot:
    """The cursor."""

    offset: int

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Nil:
    """The untyped nil."""

    offset: int

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True)
class Bool:
    """`true` or `false`."""

    offset: int
    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class Number:
    """A number or a character."""

    offset: int
    text: str
    value: NumberValue

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class String:
    """A string literal: as written, and its value."""

    offset: int
    quoted: str
    value: str

    def __str__(self) -> str:
        return self.quoted


@dataclass(frozen=True, slots=True)
class Chain:
    """`(pipeline).A.B` or `function.A.B`; `fields_offset` is where the first dot stands."""

    offset: int
    operand: "Function | Pipe"
    fields_offset: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return operand_text(self.operand) + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Command:
    """One stage of a pipeline: an operand, or a function or method with its arguments."""

    offset: int
    operands: "tuple[Operand, ...]"

    def __str__(self) -> str:
        return " ".join(operand_text(operand) for operand in self.operands)


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, and the variables that take the result; `is_assign` for `=`, else they are declared."""

    offset: int
    variables: tuple[Variable, ...]
    is_assign: bool
    commands: tuple[Command, ...]

    def __str__(self) -> str:
        names = ", ".join(str(variable) for variable in self.variables)
        sign = (" = " if self.is_assign else " := ") if self.variables else ""
        return names + sign + " | ".join(str(command) for command in self.commands)


Operand: TypeAlias = Field | Variable | Function | Dot | Nil | Bool | Number | String | Chain | Pipe


@dataclass(frozen=True, slots=True)
class Text:
    """Text outside of actions, already trimmed."""

    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """`{{pipeline}}`."""

    offset: int
    pipe: Pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


@dataclass(frozen=True, slots=True)
class Branch:
    """One `if` or `with` of a chain of else-ifs."""

    pipe: Pipe
    body: "Body"


@dataclass(frozen=True, slots=True)
class Choice:
    """`if` or `with` with its else-branches; Go nests them, which means the same."""

    offset: int
    keyword: Literal["if", "with"]
    branches: tuple[Branch, ...]
    otherwise: "Body"


@dataclass(frozen=True, slots=True)
class Range:
    """`range` and what runs when there was nothing to range over."""

    offset: int
    pipe: Pipe
    body: "Body"
    otherwise: "Body"


@dataclass(frozen=True, slots=True)
class TemplateCall:
    """`{{template "name" pipeline}}`, also what a `block` leaves behind."""

    offset: int
    name: str
    quoted: str
    pipe: Pipe | None

    def __str__(self) -> str:
        return f"{{{{template {self.quoted}{'' if self.pipe is None else f' {self.pipe}'}}}}}"


@dataclass(frozen=True, slots=True)
class Jump:
    """`{{break}}` or `{{continue}}`."""

    offset: int
    keyword: Literal["break", "continue"]


Node: TypeAlias = Text | Action | Choice | Range | TemplateCall | Jump
Body: TypeAlias = tuple[Node, ...]


def operand_text(operand: Operand) -> str:
    """Spell an operand inside a command: a pipeline there stands in parentheses."""
    return f"({operand})" if isinstance(operand, Pipe) else str(operand)


def is_blank(body: "Body") -> bool:
    """Tell whether a body holds nothing but white space; such a definition is replaced, not a duplicate."""
    return all(isinstance(node, Text) and not node.text.strip() for node in body)
