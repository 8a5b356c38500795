"""Evaluates pipelines: literals, variables, fields, methods and functions."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from transship_planner.gotemplate.clock.time import Duration
from transship_planner.gotemplate.errors import FunctionError, TemplateError, template_error
from transship_planner.gotemplate.gostring import byte_length
from transship_planner.gotemplate.limits import Limits
from transship_planner.gotemplate.signature import Function, Parameter
from transship_planner.gotemplate.syntax import nodes
from transship_planner.gotemplate.syntax.literals import INT64_MAX
from transship_planner.gotemplate.syntax.nodes import operand_text
from transship_planner.gotemplate.values import (
    NO_VALUE,
    Object,
    as_go_value,
    is_accepted,
    is_list,
    is_map,
    key_type_name,
    type_name,
)

# What an error can point at: anything that has a place and spells itself.
Place: TypeAlias = nodes.Operand | nodes.Command | nodes.Action | nodes.TemplateCall
_Fields: TypeAlias = nodes.Field | nodes.Variable | nodes.Chain
_CHARACTERS_PER_STEP: Final = 32
# What nil becomes where it may be passed.
_NILABLE: Final[Mapping[Parameter, object]] = {Parameter.ANY: None, Parameter.STRINGS: ()}


@dataclass(frozen=True)
class Source:
    """A parsed text: what the evaluator runs, and what its errors quote."""

    text: str
    name: str
    bodies: Mapping[str, nodes.Body]
    functions: Mapping[str, Function]


@dataclass(slots=True)
class Frame:
    """One running template: its name and its variables, innermost last."""

    name: str
    variables: list[tuple[str, object]] = field(default_factory=list[tuple[str, object]])


@dataclass(frozen=True, slots=True)
class _Given:
    """What a command gives to its first word: operands to be evaluated with dot, and the value piped in, if any."""

    dot: object
    operands: Sequence[nodes.Operand] = ()
    finals: Sequence[object] = ()

    def __bool__(self) -> bool:
        return bool(self.operands or self.finals)


def _size(value: object) -> int:
    return len(value) if isinstance(value, str) or is_list(value) else 0


class Evaluator:
    """The state of one execution: frames of variables, and what has been used up of the limits."""

    def __init__(self, source: Source, limits: Limits, data: object) -> None:
        """Start with the data as `$`."""
        self._source = source
        self._limits = limits
        self._steps = 0
        self._depth = 0
        self.frame = Frame(source.name, [("$", data)])

    # Errors and limits

    def error(self, place: Place, message: str, offset: int | None = None) -> TemplateError:
        """Build the error for a place, or for another offset inside it."""
        return template_error(
            self._source.text,
            place.offset if offset is None else offset,
            message,
            name=self._source.name,
            within=self.frame.name,
            at=str(place),
        )

    @contextmanager
    def nested(self, place: Place) -> Generator[None]:
        """Go one level deeper, if the limits allow.

        Raises TemplateError.
        """
        self._depth += 1
        if self._depth > self._limits.nesting:
            raise self.error(place, f"nested more than {self._limits.nesting} levels deep")
        yield
        self._depth -= 1

    def spend(self, place: Place, steps: int = 1) -> None:
        """Count steps.

        Raises TemplateError when there are none left.
        """
        self._steps += steps
        if self._steps > self._limits.steps:
            raise self.error(place, f"takes more than {self._limits.steps} steps")

    # Variables

    @contextmanager
    def block_scope(self) -> Generator[None]:
        """Forget at the end the variables that a block declares."""
        visible = len(self.frame.variables)
        yield
        del self.frame.variables[visible:]

    def _declare(self, name: str, value: object) -> None:
        self.frame.variables.append((name, value))

    def assign(self, pipe: nodes.Pipe, name: str, value: object) -> None:
        """Overwrite the innermost variable of a name.

        Raises TemplateError when there is none.
        """
        self.frame.variables[self._find_variable(pipe, name)] = (name, value)

    def _find_variable(self, place: Place, name: str) -> int:
        for index in range(len(self.frame.variables) - 1, -1, -1):
            if self.frame.variables[index][0] == name:
                return index
        # Go's parser takes `{{$x = 1}}` for a declaration, so that only running it tells.
        raise self.error(place, f"undefined variable: {name}")

    # Pipelines

    def pipe(self, dot: object, pipe: nodes.Pipe) -> object:
        """Evaluate a pipeline with dot, and set its variables.

        Raises TemplateError.
        """
        value: object = NO_VALUE
        finals: tuple[object, ...] = ()
        for command in pipe.commands:
            result = self._command(dot, command, finals)
            value = NO_VALUE if result is None else result
            finals = (value,)
        for variable in pipe.variables:
            if pipe.is_assign:
                self.assign(pipe, variable.name, value)
            else:
                self._declare(variable.name, value)
        return value

    def _command(self, dot: object, command: nodes.Command, finals: Sequence[object]) -> object:
        """Run one stage; `finals` holds the value of the stage before it, if there is one."""
        first, operands = command.operands[0], command.operands[1:]
        given = _Given(dot, operands, finals)
        if isinstance(first, nodes.Field | nodes.Chain) or (isinstance(first, nodes.Variable) and first.names):
            return self._chain(first, given)
        if isinstance(first, nodes.Function):
            return self._call(self._source.functions[first.name], first.name, first, command, given)
        if isinstance(first, nodes.Nil):
            raise self.error(first, "nil is not a command")
        if given:
            raise self.error(first, f"can't give argument to non-function {operand_text(first)}")
        return self._simple(dot, first)

    def _simple(self, dot: object, operand: nodes.Operand) -> object:
        match operand:
            case nodes.Dot():
                return dot
            case nodes.Bool() | nodes.String():
                return operand.value
            case nodes.Number():
                return self._number(operand)
            case nodes.Variable() if not operand.names:
                return self._variable(operand)
            case nodes.Pipe():
                with self.nested(operand):
                    return self.pipe(dot, operand)
            case _:
                return self._command(dot, nodes.Command(operand.offset, (operand,)), ())

    def _variable(self, variable: nodes.Variable) -> object:
        return self.frame.variables[self._find_variable(variable, variable.name)][1]

    def _number(self, number: nodes.Number) -> int | float:
        value = number.value
        if value.is_float or value.integer is None:
            return value.real
        if value.integer > INT64_MAX:
            raise self.error(number, f"{number.text} overflows int")
        return value.integer

    # Fields and methods

    def _chain(self, node: _Fields, given: _Given) -> object:
        receiver, offset = self._receiver(given.dot, node)
        for name in node.names[:-1]:
            receiver = self._field(receiver, name, node, offset, _Given(given.dot))
            offset += len(name) + 1
        return self._field(receiver, node.names[-1], node, offset, given)

    def _receiver(self, dot: object, node: _Fields) -> tuple[object, int]:
        """Return the value that a chain of fields starts from, and where its first dot stands."""
        match node:
            case nodes.Field():
                return dot, node.offset
            case nodes.Variable():
                return self._variable(node), node.offset + len(node.name)
            case nodes.Chain():
                return self._simple(dot, node.operand), node.fields_offset

    def _field(self, receiver: object, name: str, node: _Fields, offset: int, given: _Given) -> object:
        """Evaluate one field, map key or method; `offset` is where its dot stands."""
        if receiver is NO_VALUE:
            return NO_VALUE
        if receiver is None:
            raise self.error(node, f"nil pointer evaluating interface {{}}.{name}", offset)
        go_value = as_go_value(receiver)
        method = None if go_value is None else go_value.go_method(name)
        if method is not None:
            return self._call(method, name, node, node, given)
        if isinstance(receiver, Object) and name in receiver.fields:
            if given:
                raise self.error(node, f"{name} has arguments but cannot be invoked as function", offset)
            return receiver.fields[name]
        if is_map(receiver) and key_type_name(receiver) in {"string", "interface {}"}:
            if given:
                raise self.error(node, f"{name} is not a method but has arguments", offset)
            return receiver.get(name, NO_VALUE)
        raise self.error(node, f"can't evaluate field {name} in type {self.type_name(node, receiver)}", offset)

    def type_name(self, place: Place, value: object) -> str:
        """Return the name of a value's Go type.

        Raises TemplateError for a Python value that stands for none.
        """
        try:
            return type_name(value)
        except FunctionError as error:
            raise self.error(place, str(error)) from None

    # Calls

    def _call(self, function: Function, name: str, place: Place, call: Place, given: _Given) -> object:
        """Call a function or method; `place` is its name, `call` all of it."""
        wrong_count = function.wrong_count(len(given.operands) + len(given.finals))
        if wrong_count is not None:
            raise self.error(place, f"wrong number of args for {name}: {wrong_count}")
        try:
            result = self._run(function, place, call, given)
        except FunctionError as error:
            raise self.error(call, f"error calling {name}: {error}") from None
        self.spend(call, _size(result) // _CHARACTERS_PER_STEP)
        if isinstance(result, str) and byte_length(result) > self._limits.output_bytes:
            message = f"error calling {name}: result is longer than {self._limits.output_bytes} bytes"
            raise self.error(call, message)
        return result

    def _run(self, function: Function, place: Place, call: Place, given: _Given) -> object:
        arguments = self._arguments(function, place, given)
        if function.lazy:
            return function.implementation(arguments)
        evaluated = tuple(arguments)
        self.spend(call, 1 + sum(map(_size, evaluated)) // _CHARACTERS_PER_STEP)
        return function.implementation(*evaluated)

    def _arguments(self, function: Function, place: Place, given: _Given) -> Iterator[object]:
        """Evaluate arguments one by one, the value that comes through the pipe last."""
        for position, operand in enumerate(given.operands):
            yield self._argument(given.dot, operand, function.parameter(position))
        for position, value in enumerate(given.finals, start=len(given.operands)):
            yield self._checked(value, function.parameter(position), place)

    def _argument(self, dot: object, operand: nodes.Operand, parameter: Parameter) -> object:
        if isinstance(operand, nodes.Nil):
            if parameter not in _NILABLE:
                raise self.error(operand, f"cannot assign nil to {parameter.value}")
            return _NILABLE[parameter]
        if isinstance(operand, nodes.Bool | nodes.String | nodes.Number):
            return self._constant(operand, parameter)
        return self._checked(self._simple(dot, operand), parameter, operand)

    def _constant(self, operand: nodes.Bool | nodes.String | nodes.Number, parameter: Parameter) -> object:
        """Give a literal the type of its parameter, as Go does with its untyped constants."""
        match parameter:
            case Parameter.ANY:
                return self._number(operand) if isinstance(operand, nodes.Number) else operand.value
            case Parameter.STRING:
                if isinstance(operand, nodes.String):
                    return operand.value
                raise self.error(operand, f"expected string; found {operand}")
            case Parameter.INT | Parameter.DURATION:
                if isinstance(operand, nodes.Number) and operand.value.integer is not None:
                    integer = operand.value.integer
                    return Duration(integer) if parameter is Parameter.DURATION else integer
                raise self.error(operand, f"expected integer; found {operand}")
            case _:
                raise self.error(operand, f"can't handle {operand} for arg of type {parameter.value}")

    def _checked(self, value: object, parameter: Parameter, place: Place) -> object:
        if value is NO_VALUE:
            if parameter not in _NILABLE:
                raise self.error(place, f"invalid value; expected {parameter.value}")
            return _NILABLE[parameter]
        found = "interface {}" if value is None else self.type_name(place, value)
        if not is_accepted(value, parameter):
            raise self.error(place, f"wrong type for value; expected {parameter.value}; got {found}")
        return value
