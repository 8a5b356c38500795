"""Runs a syntax tree over data: text, actions, branches, loops and calls of templates."""

from collections.abc import Iterator, Mapping
from enum import Enum, auto

from transship_planner.gotemplate.errors import FunctionError, template_error
from transship_planner.gotemplate.evaluator import Evaluator, Frame, Source
from transship_planner.gotemplate.gostring import byte_length, quote
from transship_planner.gotemplate.limits import Limits
from transship_planner.gotemplate.printing.formatting import sprint
from transship_planner.gotemplate.signature import Function
from transship_planner.gotemplate.syntax import nodes
from transship_planner.gotemplate.values import NO_VALUE, Object, is_list, is_map, is_true, sorted_items, type_name


class _Flow(Enum):
    """How a body ended."""

    NEXT = auto()
    BREAK = auto()
    CONTINUE = auto()


def execute(source: Source, data: object, limits: Limits) -> str:
    """Run a template over data and return what it writes.

    Raises TemplateError.
    """
    return _Execution(source, limits, NO_VALUE if data is None else data).run()


class _Execution:
    def __init__(self, source: Source, limits: Limits, data: object) -> None:
        self._source = source
        self._limits = limits
        self._data = data
        self._evaluator = Evaluator(source, limits, data)
        self._output: list[str] = []
        self._room = limits.output_bytes

    def run(self) -> str:
        self._walk(self._data, self._source.bodies[self._source.name])
        return "".join(self._output)

    def _write(self, text: str, offset: int) -> None:
        self._room -= byte_length(text)
        if self._room < 0:
            message = f"output is longer than {self._limits.output_bytes} bytes"
            name, within = self._source.name, self._evaluator.frame.name
            raise template_error(self._source.text, offset, message, name=name, within=within)
        self._output.append(text)

    def _walk(self, dot: object, body: nodes.Body) -> _Flow:
        for node in body:
            flow = self._walk_node(dot, node)
            if flow is not _Flow.NEXT:
                return flow
        return _Flow.NEXT

    def _walk_node(self, dot: object, node: nodes.Node) -> _Flow:
        match node:
            case nodes.Text():
                self._write(node.text, node.offset)
            case nodes.Action():
                self._run_action(dot, node)
            case nodes.Choice():
                return self._run_choice(dot, node)
            case nodes.Range():
                return self._run_range(dot, node)
            case nodes.TemplateCall():
                self._call_template(dot, node)
            case nodes.Jump():
                return _Flow.BREAK if node.keyword == "break" else _Flow.CONTINUE
        return _Flow.NEXT

    def _run_action(self, dot: object, node: nodes.Action) -> None:
        value = self._evaluator.pipe(dot, node.pipe)
        if not node.pipe.variables:
            self._write(self._printed(node, value), node.offset)

    def _printed(self, node: nodes.Action, value: object) -> str:
        if isinstance(value, str):
            return value
        if value is NO_VALUE:
            return NO_VALUE.value
        if isinstance(value, Function):
            raise self._evaluator.error(node, f"can't print {node} of type {type_name(value)}")
        try:
            text = sprint([value], self._limits)
        except FunctionError as error:
            raise self._evaluator.error(node, str(error)) from None
        # A template follows pointers before it prints.
        is_pointer = isinstance(value, Object) and value.name.startswith("*") and value.text is None
        return text.removeprefix("&") if is_pointer else text

    def _run_choice(self, dot: object, node: nodes.Choice) -> _Flow:
        with self._evaluator.nested(node.branches[0].pipe), self._evaluator.block_scope():
            for branch in node.branches:
                value = self._evaluator.pipe(dot, branch.pipe)
                if is_true(value):
                    return self._walk(value if node.keyword == "with" else dot, branch.body)
            return self._walk(dot, node.otherwise)

    def _run_range(self, dot: object, node: nodes.Range) -> _Flow:
        with self._evaluator.nested(node.pipe), self._evaluator.block_scope():
            value = self._evaluator.pipe(dot, node.pipe)
            if self._run_rounds(node, value):
                return _Flow.NEXT
            flow = self._walk(dot, node.otherwise)
            # Go catches a break where the innermost range ends, even when it comes from that range's else.
            return _Flow.CONTINUE if flow is _Flow.CONTINUE else _Flow.NEXT

    def _run_rounds(self, node: nodes.Range, value: object) -> bool:
        """Run the body for each item; tell whether there was any."""
        variables = self._evaluator.frame.variables
        visible = len(variables)
        any_round = False
        for key, item in self._items(node, value):
            any_round = True
            self._evaluator.spend(node.pipe)
            self._set_range_variables(node.pipe, key, item)
            flow = self._walk(item, node.body)
            del variables[visible:]
            if flow is _Flow.BREAK:
                break
        return any_round

    def _items(self, node: nodes.Range, value: object) -> Iterator[tuple[object, object]]:
        if value is NO_VALUE:
            return iter(())
        if is_list(value):
            return iter(enumerate(value))
        if is_map(value):
            return iter(self._sorted_items(node, value))
        if isinstance(value, int) and not isinstance(value, bool):
            if len(node.pipe.variables) > 1:
                raise self._evaluator.error(node.pipe, f"can't use {int(value)} to iterate over more than one variable")
            make = type(value)
            return ((NO_VALUE, make(number)) for number in range(value))
        raise self._evaluator.error(
            node.pipe, f"range can't iterate over a value of type {self._evaluator.type_name(node.pipe, value)}"
        )

    def _sorted_items(self, node: nodes.Range, value: Mapping[object, object]) -> list[tuple[object, object]]:
        try:
            return sorted_items(value)
        except FunctionError as error:
            raise self._evaluator.error(node.pipe, str(error)) from None

    def _set_range_variables(self, pipe: nodes.Pipe, key: object, item: object) -> None:
        names = [variable.name for variable in pipe.variables]
        values = [key, item][-len(names) :] if names else []
        if pipe.is_assign:
            for name, value in zip(names, values, strict=True):
                self._evaluator.assign(pipe, name, value)
        else:
            # The pipeline has just declared them: they are the innermost.
            for position, (name, value) in enumerate(zip(names, values, strict=True), start=-len(names)):
                self._evaluator.frame.variables[position] = (name, value)

    def _call_template(self, dot: object, node: nodes.TemplateCall) -> None:
        body = self._source.bodies.get(node.name)
        if body is None:
            raise self._evaluator.error(node, f"template {quote(node.name)} not defined")
        self._evaluator.spend(node)
        data = NO_VALUE if node.pipe is None else self._evaluator.pipe(dot, node.pipe)
        with self._evaluator.nested(node):
            caller, self._evaluator.frame = self._evaluator.frame, Frame(node.name, [("$", data)])
            self._walk(data, body)
            self._evaluator.frame = caller
