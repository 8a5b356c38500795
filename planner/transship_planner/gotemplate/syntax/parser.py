"""Tokens become the syntax tree of a template and its definitions."""

from collections.abc import Container, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from transship_planner.gotemplate.errors import TemplateError, template_error
from transship_planner.gotemplate.gostring import quote
from transship_planner.gotemplate.syntax import nodes
from transship_planner.gotemplate.syntax.lexer import Kind, Lexer, Token
from transship_planner.gotemplate.syntax.literals import LiteralError, parse_char, parse_number, unquote

_OPERAND_STARTS = frozenset(
    {
        Kind.BOOL,
        Kind.CHAR_CONSTANT,
        Kind.DOT,
        Kind.FIELD,
        Kind.IDENTIFIER,
        Kind.NUMBER,
        Kind.STRING,
        Kind.VARIABLE,
        Kind.LEFT_PAREN,
    }
)
_CONSTANTS = (nodes.Bool, nodes.Dot, nodes.Nil, nodes.Number, nodes.String)


@dataclass(slots=True)
class _Scope:
    """What is visible at the place being parsed; each definition starts a fresh one."""

    variables: list[str] = field(default_factory=lambda: ["$"])
    range_depth: int = 0


@dataclass(frozen=True, slots=True)
class _Stop:
    """The `end` or `else` that closed a body, and whether that else goes on with the same keyword."""

    token: Token
    goes_on: bool = False


def parse(text: str, *, name: str, functions: Container[str], nesting: int) -> dict[str, nodes.Body]:
    """Parse a text into the bodies of its templates, the text itself under its name.

    Raises TemplateError.
    """
    return _Parser(text, name, functions, nesting).parse()


class _Parser:
    def __init__(self, text: str, name: str, functions: Container[str], nesting: int) -> None:
        self._text = text
        self._name = name
        self._functions = functions
        self._nesting = nesting
        self._depth = 0
        self._tokens = Lexer(text, name).tokens()
        self._pushed_back: list[Token] = []
        self._scope = _Scope()
        self._definitions: dict[str, nodes.Body] = {}

    def parse(self) -> dict[str, nodes.Body]:
        body: list[nodes.Node] = []
        while (token := self._next()).kind is not Kind.EOF:
            if token.kind is Kind.LEFT and self._peek_keyword() == "define":
                self._next()
                self._define()
                continue
            node = self._text_or_action(token)
            if isinstance(node, _Stop):
                raise self._error(f"unexpected {{{{{node.token.text}}}}}", node.token)
            body.append(node)
        self._add_definition(self._name, tuple(body), self._token_at_end())
        return self._definitions

    # Tokens

    def _next(self) -> Token:
        return self._pushed_back.pop() if self._pushed_back else next(self._tokens)

    def _peek(self) -> Token:
        token = self._next()
        self._pushed_back.append(token)
        return token

    def _peek_keyword(self) -> str | None:
        token = self._peek()
        return token.text if token.kind is Kind.KEYWORD else None

    def _expect_right(self, context: str) -> None:
        token = self._next()
        if token.kind is not Kind.RIGHT:
            raise self._unexpected(token, context)

    def _token_at_end(self) -> Token:
        return Token(Kind.EOF, "", len(self._text))

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        return self._error(f"unexpected {token} in {context}", token)

    def _error(self, message: str, token: Token) -> TemplateError:
        return template_error(self._text, token.offset, message, name=self._name)

    @contextmanager
    def _nested(self, token: Token) -> Generator[None]:
        self._depth += 1
        if self._depth > self._nesting:
            raise self._error(f"nested more than {self._nesting} levels deep", token)
        yield
        self._depth -= 1

    # Bodies and actions

    def _body(self) -> tuple[nodes.Body, _Stop]:
        body: list[nodes.Node] = []
        while True:
            token = self._next()
            if token.kind is Kind.EOF:
                raise self._error("unexpected EOF", token)
            node = self._text_or_action(token)
            if isinstance(node, _Stop):
                return tuple(body), node
            body.append(node)

    def _text_or_action(self, token: Token) -> nodes.Node | _Stop:
        if token.kind is Kind.TEXT:
            return nodes.Text(token.offset, token.text)
        word = self._next()
        if word.kind is not Kind.KEYWORD or word.text == "nil":
            self._pushed_back.append(word)
            return nodes.Action(word.offset, self._pipeline("command", Kind.RIGHT))
        return self._keyword(word)

    def _keyword(self, word: Token) -> nodes.Node | _Stop:
        match word.text:
            case "end":
                self._expect_right("end")
                return _Stop(word)
            case "else":
                return self._else(word)
            case "break" | "continue":
                return self._jump(word, "break" if word.text == "break" else "continue")
            case _:
                return self._control(word)

    def _control(self, word: Token) -> nodes.Node:
        match word.text:
            case "if" | "with":
                return self._choice(word, "if" if word.text == "if" else "with")
            case "range":
                return self._range(word)
            case "template":
                return self._template_call()
            case "block":
                return self._block(word)
            case _:
                raise self._unexpected(word, "command")

    def _else(self, word: Token) -> _Stop:
        if self._peek_keyword() in {"if", "with"}:
            return _Stop(word, goes_on=True)
        self._expect_right("else")
        return _Stop(word)

    def _jump(self, word: Token, keyword: Literal["break", "continue"]) -> nodes.Jump:
        self._expect_right(f"{{{{{keyword}}}}}")
        if not self._scope.range_depth:
            raise self._error(f"{{{{{keyword}}}}} outside {{{{range}}}}", word)
        return nodes.Jump(word.offset, keyword)

    def _choice(self, word: Token, keyword: Literal["if", "with"]) -> nodes.Choice:
        visible = len(self._scope.variables)
        branches: list[nodes.Branch] = []
        with self._nested(word):
            while True:
                pipe = self._pipeline(keyword, Kind.RIGHT)
                body, stop = self._body()
                branches.append(nodes.Branch(pipe, body))
                if not (stop.goes_on and self._peek_keyword() == keyword):
                    break
                self._next()
            otherwise = self._otherwise(stop)
        del self._scope.variables[visible:]
        return nodes.Choice(word.offset, keyword, tuple(branches), otherwise)

    def _range(self, word: Token) -> nodes.Range:
        visible = len(self._scope.variables)
        with self._nested(word):
            pipe = self._pipeline("range", Kind.RIGHT)
            self._scope.range_depth += 1
            body, stop = self._body()
            self._scope.range_depth -= 1
            otherwise = self._otherwise(stop)
        del self._scope.variables[visible:]
        return nodes.Range(word.offset, pipe, body, otherwise)

    def _otherwise(self, stop: _Stop) -> nodes.Body:
        if stop.token.text == "end":
            return ()
        if stop.goes_on:
            raise self._unexpected(self._next(), "else")
        otherwise, end = self._body()
        if end.token.text != "end":
            raise self._error("expected end; found {{else}}", end.token)
        return otherwise

    # Named templates

    def _define(self) -> None:
        token, name = self._template_name("define clause")
        self._expect_right("define clause")
        self._add_definition(name, self._separate_body(token, "define clause"), token)

    def _block(self, word: Token) -> nodes.TemplateCall:
        token, name = self._template_name("block clause")
        pipe = self._pipeline("block clause", Kind.RIGHT)
        with self._nested(word):
            self._add_definition(name, self._separate_body(token, "block clause"), token)
        return nodes.TemplateCall(token.offset, name, quote(name), pipe)

    def _separate_body(self, token: Token, context: str) -> nodes.Body:
        outer, self._scope = self._scope, _Scope()
        body, stop = self._body()
        self._scope = outer
        if stop.token.text != "end":
            raise self._error(f"unexpected {{{{else}}}} in {context}", stop.token)
        return body

    def _add_definition(self, name: str, body: nodes.Body, token: Token) -> None:
        known = self._definitions.get(name)
        if known is not None and not nodes.is_blank(known):
            if not nodes.is_blank(body):
                raise self._error(f"multiple definition of template {quote(name)}", token)
            return
        self._definitions[name] = body

    def _template_call(self) -> nodes.TemplateCall:
        token, name = self._template_name("template clause")
        pipe = None
        if self._peek().kind is Kind.RIGHT:
            self._next()
        else:
            pipe = self._pipeline("template clause", Kind.RIGHT)
        return nodes.TemplateCall(token.offset, name, quote(name), pipe)

    def _template_name(self, context: str) -> tuple[Token, str]:
        token = self._next()
        if token.kind is not Kind.STRING:
            raise self._unexpected(token, context)
        return token, self._unquote(token)

    # Pipelines

    def _pipeline(self, context: str, end: Kind) -> nodes.Pipe:
        start = self._peek()
        variables, is_assign = self._declarations(context)
        commands: list[nodes.Command] = []
        while (token := self._next()).kind is not end:
            if token.kind not in _OPERAND_STARTS and token.text != "nil":
                raise self._unexpected(token, context)
            self._pushed_back.append(token)
            commands.append(self._command())
        self._check_commands(commands, context, token)
        return nodes.Pipe(start.offset, variables, is_assign, tuple(commands))

    def _check_commands(self, commands: list[nodes.Command], context: str, end: Token) -> None:
        if not commands:
            raise self._error(f"missing value for {context}", end)
        for stage, command in enumerate(commands[1:], start=2):
            if isinstance(command.operands[0], _CONSTANTS):
                raise template_error(
                    self._text,
                    command.offset,
                    f"non executable command in pipeline stage {stage}",
                    name=self._name,
                )

    def _declarations(self, context: str) -> tuple[tuple[nodes.Variable, ...], bool]:
        variables: list[nodes.Variable] = []
        while (token := self._peek()).kind is Kind.VARIABLE:
            self._next()
            sign = self._peek()
            if sign.kind in {Kind.ASSIGN, Kind.DECLARE}:
                self._next()
                variables.append(self._declare(token))
                return tuple(variables), sign.kind is Kind.ASSIGN
            if sign.text != ",":
                self._pushed_back.append(token)
                break
            self._next()
            variables.append(self._declare(token))
            self._check_second_variable(context, len(variables), sign)
        return tuple(variables), False

    def _declare(self, token: Token) -> nodes.Variable:
        self._scope.variables.append(token.text)
        return nodes.Variable(token.offset, token.text)

    def _check_second_variable(self, context: str, count: int, comma: Token) -> None:
        if context != "range" or count > 1:
            raise self._error(f"too many declarations in {context}", comma)
        if self._peek().kind not in {Kind.VARIABLE, Kind.RIGHT, Kind.RIGHT_PAREN}:
            raise self._error("range can only initialize variables", self._peek())

    def _command(self) -> nodes.Command:
        offset = self._peek().offset
        operands: list[nodes.Operand] = []
        while True:
            operand = self._operand()
            if operand is not None:
                operands.append(operand)
            token = self._peek()
            if token.kind in {Kind.RIGHT, Kind.RIGHT_PAREN}:
                break
            if token.kind is Kind.PIPE:
                self._next()
                break
            if operand is None or not token.spaced:
                raise self._unexpected(token, "operand")
        return nodes.Command(offset, tuple(operands))

    def _operand(self) -> nodes.Operand | None:
        term = self._term()
        if term is None or not self._at_adjacent_field():
            return term
        fields_offset = self._peek().offset
        names: list[str] = []
        while self._at_adjacent_field():
            names.append(self._next().text[1:])
        return self._with_fields(term, tuple(names), fields_offset)

    def _at_adjacent_field(self) -> bool:
        token = self._peek()
        return token.kind is Kind.FIELD and not token.spaced

    def _with_fields(self, term: nodes.Operand, names: tuple[str, ...], fields_offset: int) -> nodes.Operand:
        match term:
            case nodes.Field(offset, first):
                return nodes.Field(offset, first + names)
            case nodes.Variable(offset, name):
                return nodes.Variable(offset, name, names)
            case nodes.Function() | nodes.Pipe():
                return nodes.Chain(term.offset, term, fields_offset, names)
            case _:
                raise template_error(
                    self._text, fields_offset, f"unexpected . after term {quote(str(term))}", name=self._name
                )

    def _term(self) -> nodes.Operand | None:
        token = self._next()
        match token.kind:
            case Kind.IDENTIFIER:
                return self._function(token)
            case Kind.VARIABLE:
                return self._variable(token)
            case Kind.FIELD:
                return nodes.Field(token.offset, (token.text[1:],))
            case Kind.DOT:
                return nodes.Dot(token.offset)
            case Kind.LEFT_PAREN:
                with self._nested(token):
                    return self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
            case _:
                return self._constant(token)

    def _constant(self, token: Token) -> nodes.Operand | None:
        match token.kind:
            case Kind.BOOL:
                return nodes.Bool(token.offset, token.text == "true")
            case Kind.STRING:
                return nodes.String(token.offset, token.text, self._unquote(token))
            case Kind.NUMBER | Kind.CHAR_CONSTANT:
                return self._number(token)
            case Kind.KEYWORD if token.text == "nil":
                return nodes.Nil(token.offset)
            case _:
                self._pushed_back.append(token)
                return None

    def _function(self, token: Token) -> nodes.Function:
        if token.text not in self._functions:
            raise self._error(f"function {quote(token.text)} not defined", token)
        return nodes.Function(token.offset, token.text)

    def _variable(self, token: Token) -> nodes.Variable:
        if token.text not in self._scope.variables:
            raise self._error(f"undefined variable {quote(token.text)}", token)
        return nodes.Variable(token.offset, token.text)

    def _number(self, token: Token) -> nodes.Number:
        read = parse_char if token.kind is Kind.CHAR_CONSTANT else parse_number
        try:
            return nodes.Number(token.offset, token.text, read(token.text))
        except LiteralError as error:
            raise self._error(str(error), token) from None

    def _unquote(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except LiteralError as error:
            raise self._error(str(error), token) from None
