"""The mutants of a module: its source, each time with one thing changed."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import libcst as cst
from libcst import matchers as m

from mutation.operators import ON_IMPORT, OPERATORS

_ONLY_TYPES: Final = frozenset({"cast", "TypeVar", "TypeVarTuple", "isinstance", "len"})
_FIXED: Final = frozenset({"frozen", "slots", "kw_only", "eq", "order", "strict"})
"""Keywords that no behaviour rests on."""


Key: TypeAlias = tuple[str, str, str, str]
"""What a mutant is recognised by, also when lines have moved: module, qualified name, lines before and after."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: the lines that it replaces, and the whole source with it.

    `function` is the qualified name of the outermost function that holds it; empty when it takes effect on import.
    `place` is the qualified name of what is nearest around it. `first` and `last` are its lines in the source, `top`
    and `bottom` those of the function's body.
    """

    module: str
    function: str
    place: str
    was: str
    now: str
    first: int
    last: int
    top: int
    bottom: int
    code: str

    @property
    def key(self) -> Key:
        """What it is recognised by."""
        return self.module, self.place, self.was, self.now


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Return all mutants of a module in the order of its source, each once, none that does not compile."""
    tree = cst.parse_module(source)
    walk = _Walk()
    tree.visit(walk)
    found: dict[str, Mutant] = {}
    lines = source.splitlines(keepends=True)
    bodies = list(_bodies(ast.parse(source)))
    for path, replacement in walk.found:
        code = _replaced(path, replacement).code
        if code not in found and code != source and _compiles(code):
            found[code] = _mutant(module, path, lines, code, bodies)
    return list(found.values())


def _bodies(node: ast.AST) -> Iterator[tuple[int, int]]:
    """Yield the first and last line of the body of each outermost function."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield each.body[0].lineno, each.end_lineno or each.lineno
        else:
            yield from _bodies(each)


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _mutant(
    module: str, path: tuple[cst.CSTNode, ...], lines: list[str], code: str, bodies: list[tuple[int, int]]
) -> Mutant:
    changed = code.splitlines(keepends=True)
    first = next(
        (n for n, (one, other) in enumerate(zip(lines, changed, strict=False)) if one != other),
        min(len(lines), len(changed)),
    )
    shortest = min(len(lines), len(changed)) - first
    backwards = zip(reversed(lines), reversed(changed), strict=False)
    same = next((n for n, (one, other) in enumerate(backwards) if one != other or n == shortest), shortest)
    names = [_named(node) for node in path]
    inside = next((n for n, node in enumerate(path) if isinstance(node, cst.FunctionDef)), None)
    # The defaults of an outermost function, and its decorators, are evaluated on import.
    in_body = inside is not None and path[inside + 1 : inside + 2] == (_body(path[inside]),)
    top, bottom = next(((top, bottom) for top, bottom in bodies if top <= first + 1 <= bottom), (0, 0))
    return Mutant(
        module=module,
        function=".".join(filter(None, names[: inside + 1])) if inside is not None and in_body else "",
        place=".".join(filter(None, names)),
        was=_joined(lines[first : len(lines) - same]),
        now=_joined(changed[first : len(changed) - same]),
        first=first + 1,
        last=max(first + 1, len(lines) - same),
        top=top,
        bottom=bottom,
        code=code,
    )


def _body(node: cst.CSTNode) -> cst.CSTNode | None:
    return node.body if isinstance(node, cst.FunctionDef) else None


def _named(node: cst.CSTNode) -> str:
    return node.name.value if isinstance(node, cst.FunctionDef | cst.ClassDef) else ""


def _joined(lines: list[str]) -> str:
    return " ⏎ ".join(line.strip() for line in lines)


class _Walk(cst.CSTVisitor):
    """Collects, of every node that may be changed, the way to it and what takes its place."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[tuple[cst.CSTNode, ...], cst.CSTNode]] = []
        self._path: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        self._path.append(node)
        if _is_left_alone(node):
            return False
        on_import = not any(isinstance(each, cst.FunctionDef) for each in self._path)
        for kind, operator in OPERATORS if not on_import else ON_IMPORT:
            if isinstance(node, kind):
                self.found += [(tuple(self._path), mutated) for mutated in operator(node)]
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        assert self._path.pop() is original_node


def _is_left_alone(node: cst.CSTNode) -> bool:
    """Tell whether a node says nothing about behaviour: types, docstrings, assertions."""
    docstring = m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.ConcatenatedString())])
    types = m.AnnAssign(annotation=m.Annotation(m.Name("TypeAlias")))
    flag = m.Arg(keyword=m.MatchIfTrue(lambda name: name is not None and name.value in _FIXED))
    called = m.Call(func=m.Name(value=m.MatchIfTrue(lambda name: name in _ONLY_TYPES)))
    silent = m.Annotation() | m.Decorator() | m.Assert() | m.Import() | m.ImportFrom()
    return m.matches(node, silent | docstring | types | flag | called)


def _replaced(path: tuple[cst.CSTNode, ...], node: cst.CSTNode) -> cst.Module:
    old, new = path[-1], node
    for parent in reversed(path[:-1]):
        new = parent.with_changes(**_with_child(parent, old, new))
        old = parent
    assert isinstance(new, cst.Module)
    return new


def _with_child(parent: cst.CSTNode, old: cst.CSTNode, new: cst.CSTNode) -> dict[str, Any]:
    for name in parent.__dataclass_fields__:
        value = getattr(parent, name)
        if value is old:
            return {name: new}
        children = cast(Sequence[object], value) if isinstance(value, list | tuple) else ()
        if any(each is old for each in children):
            return {name: [new if each is old else each for each in children]}
    raise LookupError(f"{type(old).__name__} is no child of {type(parent).__name__}")
