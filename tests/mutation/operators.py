"""What is broken in the code, one thing at a time: mutmut's operators, and some for decisions that it leaves alone."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import libcst as cst
from libcst import matchers as m
from mutmut.mutation import mutators

Operator: TypeAlias = Callable[[Any], Iterable[cst.CSTNode]]

_SWAPPED: Final = {"any": "all", "all": "any", "min": "max", "max": "min", "sorted": "list"}
_NEVER_MIND: Final = frozenset({"strict"})
"""Arguments that only assert."""

_TRUE, _FALSE = cst.Name("True"), cst.Name("False")


def _ended_like(whole: Sequence[Any], parts: Sequence[Any]) -> Sequence[Any]:
    """Let a sequence end with a comma or without, as it did before something was left out."""
    return [*parts[:-1], parts[-1].with_changes(comma=whole[-1].comma)] if parts else parts


def _dropped(node: cst.SimpleStatementLine) -> Iterable[cst.CSTNode]:
    """Leave out what is done for its effect, and errors."""
    effect = m.Expr(m.Call() | m.Await()) | m.Del() | m.Raise()
    if m.matches(node, m.SimpleStatementLine(body=[effect])):
        yield node.with_changes(body=[cst.Pass()])


def _forced(node: cst.If | cst.CompIf) -> Iterable[cst.CSTNode]:
    """Go one way whatever the condition says."""
    yield node.with_changes(test=_TRUE, whitespace_before_test=cst.SimpleWhitespace(" "))
    yield node.with_changes(test=_FALSE, whitespace_before_test=cst.SimpleWhitespace(" "))


def _halved(node: cst.BooleanOperation) -> Iterable[cst.CSTNode]:
    """Leave out one side of `and` and `or`."""
    for side in (node.left, node.right):
        yield side.with_changes(lpar=[*node.lpar, *side.lpar], rpar=[*side.rpar, *node.rpar])


def _swapped(node: cst.Call) -> Iterable[cst.CSTNode]:
    if not isinstance(node.func, cst.Name) or node.func.value not in _SWAPPED:
        return
    name = _SWAPPED[node.func.value]
    plain = [argument for argument in node.args if argument.keyword is None]
    arguments = [plain[0].with_changes(comma=cst.MaybeSentinel.DEFAULT)] if name == "list" else node.args
    yield node.with_changes(func=cst.Name(name), args=arguments)


def _arguments(node: cst.Call) -> Iterable[cst.CSTNode]:
    """Give None for an argument, or leave it to its default; a call with a positional argument too few only fails."""
    keywords = sum(each.keyword is not None for each in node.args)
    for mutated in mutators.operator_arg_removal(node):
        dropped = len(mutated.args) < len(node.args)
        if dropped and sum(each.keyword is not None for each in mutated.args) == keywords:
            continue
        changed = [each for each in node.args if each not in mutated.args]
        if not any(each.keyword is not None and each.keyword.value in _NEVER_MIND for each in changed):
            yield mutated.with_changes(args=_ended_like(node.args, mutated.args))


def _blind(node: cst.ExceptHandler) -> Iterable[cst.CSTNode]:
    """Catch nothing."""
    if node.type is not None:
        yield node.with_changes(type=cst.Tuple([]))


def _unguarded(node: cst.With) -> Iterable[cst.CSTNode]:
    """Do without a lock, or whatever is held meanwhile."""
    if all(item.asname is None for item in node.items):
        yield cst.If(test=_TRUE, body=node.body, leading_lines=node.leading_lines)


def _fewer_elements(node: cst.Set | cst.List | cst.Dict | cst.Tuple) -> Iterable[cst.CSTNode]:
    """Leave out an element of a collection."""
    for number in range(len(node.elements)):
        left = [*node.elements[:number], *node.elements[number + 1 :]]
        if left or not isinstance(node, cst.Set):
            yield node.with_changes(elements=_ended_like(node.elements, left))


def _fewer_constants(node: cst.Tuple) -> Iterable[cst.CSTNode]:
    """Leave out an element of a table that is written as a tuple."""
    if node.lpar:
        yield from _fewer_elements(node)


def _fewer_patterns(node: cst.MatchOr) -> Iterable[cst.CSTNode]:
    """Leave out an alternative of a pattern."""
    for number in range(len(node.patterns)):
        left = [*node.patterns[:number], *node.patterns[number + 1 :]]
        if len(left) == 1:
            yield left[0].pattern
        else:
            yield node.with_changes(patterns=[*left[:-1], left[-1].with_changes(separator=cst.MaybeSentinel.DEFAULT)])


def _other_text(node: cst.SimpleString) -> Iterable[cst.CSTNode]:
    yield from list(mutators.operator_string(node))[:1]


def _other_formatted_text(node: cst.FormattedStringText) -> Iterable[cst.CSTNode]:
    yield node.with_changes(value=f"XX{node.value}")


OPERATORS: Sequence[tuple[Any, Operator]] = (
    (cst.BaseNumber, mutators.operator_number),
    (cst.SimpleString, _other_text),
    (cst.FormattedStringText, _other_formatted_text),
    (cst.Name, mutators.operator_name),
    (cst.Assign, mutators.operator_assignment),
    (cst.AnnAssign, mutators.operator_assignment),
    (cst.AugAssign, mutators.operator_augmented_assignment),
    (cst.UnaryOperation, mutators.operator_remove_unary_ops),
    (cst.Call, _arguments),
    (cst.Call, _swapped),
    (cst.Call, mutators.operator_symmetric_string_methods_swap),
    (cst.Call, mutators.operator_unsymmetrical_string_methods_swap),
    (cst.Lambda, mutators.operator_lambda),
    (cst.CSTNode, mutators.operator_keywords),
    (cst.CSTNode, mutators.operator_swap_op),
    (cst.Match, mutators.operator_match),
    (cst.IfExp, mutators.operator_if_exp),
    (cst.SimpleStatementLine, _dropped),
    (cst.If, _forced),
    (cst.CompIf, _forced),
    (cst.BooleanOperation, _halved),
    (cst.ExceptHandler, _blind),
    (cst.With, _unguarded),
    (cst.Set, _fewer_elements),
    (cst.List, _fewer_elements),
    (cst.Dict, _fewer_elements),
    (cst.MatchOr, _fewer_patterns),
)

"""The operators for what functions do."""

ON_IMPORT: Sequence[tuple[Any, Operator]] = (
    *(pair for pair in OPERATORS if pair[1] is not mutators.operator_assignment),
    (cst.Tuple, _fewer_constants),
)
"""Those for constants and fields, which are changed, but never taken away."""
