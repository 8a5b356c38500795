"""Go's fmt: how one value prints under a verb, and Sprint and Sprintln."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from transship_planner.gotemplate.errors import FunctionError
from transship_planner.gotemplate.gostring import (
    byte_length,
    can_backquote,
    quote,
    quote_char,
    rune,
    to_bytes,
)
from transship_planner.gotemplate.limits import Limits
from transship_planner.gotemplate.printing.numbers import Flags, format_float, format_integer, format_unicode, pad
from transship_planner.gotemplate.signature import Function
from transship_planner.gotemplate.values import (
    NO_VALUE,
    Byte,
    GoValue,
    Object,
    as_go_value,
    is_list,
    is_map,
    sorted_items,
    type_name,
)

_STRINGER_VERBS = frozenset("vsxXq")
_PLAIN = Flags()


def sprint(arguments: Sequence[object], limits: Limits) -> str:
    """Write values one after the other, a space between two that are both no strings.

    Raises FunctionError when the result or the depth of a value crosses the limits.
    """
    printer = Printer(limits)
    after_string = True
    for argument in arguments:
        is_string = isinstance(argument, str)
        if not is_string and not after_string:
            printer.write(" ")
        printer.print_argument(argument, "v", _PLAIN)
        after_string = is_string
    return printer.text()


def sprintln(arguments: Sequence[object], limits: Limits) -> str:
    """Write values with spaces between them and a newline at the end.

    Raises FunctionError as `sprint` does.
    """
    printer = Printer(limits)
    for position, argument in enumerate(arguments):
        printer.write(" " if position else "")
        printer.print_argument(argument, "v", _PLAIN)
    printer.write("\n")
    return printer.text()


class Printer:
    """Collects what is printed, and stops at the limits."""

    def __init__(self, limits: Limits) -> None:
        """Start empty."""
        self._limits = limits
        self._parts: list[str] = []
        self._size = 0
        self._in_bad_verb = False

    def text(self) -> str:
        """Return all that has been printed."""
        return "".join(self._parts)

    def write(self, text: str) -> None:
        """Print a text as it is.

        Raises FunctionError when there is no room left for it.
        """
        self._size += byte_length(text)
        if self._size > self._limits.output_bytes:
            raise FunctionError(f"result is longer than {self._limits.output_bytes} bytes")
        self._parts.append(text)

    def print_argument(self, value: object, verb: str, flags: Flags) -> None:
        """Print one argument of Printf under a verb and its flags."""
        if value is None or value is NO_VALUE:
            self._print_nil_argument(verb, flags)
        elif verb == "T":
            self.write(pad(_truncate(type_name(value), flags), flags))
        elif verb in {"p", "w"}:
            self._bad_verb(value, verb, flags)
        else:
            self._print_value(value, verb, flags, depth=0)

    def _print_nil_argument(self, verb: str, flags: Flags) -> None:
        if verb in {"v", "T"}:
            self.write(pad("<nil>", flags))
        else:
            self.write(f"%!{verb}(<nil>)")

    def _bad_verb(self, value: object, verb: str, flags: Flags) -> None:
        outer, self._in_bad_verb = self._in_bad_verb, True
        self.write(f"%!{verb}({type_name(value)}=")
        self._print_value(value, "v", flags, depth=0)
        self.write(")")
        self._in_bad_verb = outer

    def _print_value(self, value: object, verb: str, flags: Flags, depth: int) -> None:
        if depth > self._limits.nesting:
            raise FunctionError(f"value is nested more than {self._limits.nesting} levels deep")
        text = self._string_method(value, verb, flags)
        if text is not None:
            self._print_string(text, verb, flags)
        elif isinstance(value, str):
            self._print_string_or_bad_verb(value, verb, flags)
        elif isinstance(value, bool):
            self._print_bool(value, verb, flags)
        elif isinstance(value, int):
            self._print_integer(value, verb, flags)
        elif isinstance(value, float):
            self._print_float(value, verb, flags)
        else:
            self._print_composite(value, verb, flags, depth)

    def _string_method(self, value: object, verb: str, flags: Flags) -> str | None:
        usable = verb in _STRINGER_VERBS and not flags.sharp_v and not self._in_bad_verb
        go_value = as_go_value(value) if usable else None
        return None if go_value is None else go_value.go_string()

    def _print_string_or_bad_verb(self, value: str, verb: str, flags: Flags) -> None:
        if verb in _STRINGER_VERBS:
            self._print_string(value, verb, flags)
        else:
            self._bad_verb(value, verb, flags)

    def _print_string(self, text: str, verb: str, flags: Flags) -> None:
        if verb in {"x", "X"}:
            self.write(_hex_string(text, verb, flags))
        elif verb == "q" or flags.sharp_v:
            self.write(pad(_quoted(_truncate(text, flags), flags), flags))
        else:
            self.write(pad(_truncate(text, flags), flags))

    def _print_bool(self, value: bool, verb: str, flags: Flags) -> None:
        if verb in {"t", "v"}:
            self.write(pad("true" if value else "false", flags))
        else:
            self._bad_verb(value, verb, flags)

    def _print_integer(self, value: int, verb: str, flags: Flags) -> None:
        match verb:
            case "v" if flags.sharp_v and isinstance(value, Byte):
                self.write(format_integer(value, "x", replace(flags, sharp=True)))
            case "v" | "d" | "b" | "o" | "O" | "x" | "X":
                self.write(format_integer(value, verb, flags))
            case "c":
                self.write(pad(rune(value), flags))
            case "q":
                self.write(pad(quote_char(value, ascii_only=flags.plus), flags))
            case "U":
                self.write(format_unicode(value, flags))
            case _:
                self._bad_verb(value, verb, flags)

    def _print_float(self, value: float, verb: str, flags: Flags) -> None:
        if verb in "vbgGxXfFeE":
            self.write(format_float(value, verb, flags))
        else:
            self._bad_verb(value, verb, flags)

    def _print_composite(self, value: object, verb: str, flags: Flags, depth: int) -> None:
        if value is None or value is NO_VALUE:
            self.write("interface {}(nil)" if flags.sharp_v else "<nil>")
        elif is_list(value):
            self._print_list(value, verb, flags, depth)
        elif is_map(value):
            self._print_map(value, verb, flags, depth)
        elif isinstance(value, Object):
            self._print_struct(value, verb, flags, depth)
        elif isinstance(value, GoValue | Function):
            self._print_opaque(value, verb, flags)
        else:
            raise FunctionError(f"can't print: {type_name(value)}")

    def _print_list(self, items: Sequence[object], verb: str, flags: Flags, depth: int) -> None:
        opening, separator, closing = "[", " ", "]"
        if flags.sharp_v:
            opening, separator, closing = type_name(items) + "{", ", ", "}"
        self.write(opening)
        for position, item in enumerate(items):
            self.write(separator if position else "")
            self._print_value(item, verb, flags, depth + 1)
        self.write(closing)

    def _print_map(self, mapping: Mapping[object, object], verb: str, flags: Flags, depth: int) -> None:
        opening, separator, closing = "map[", " ", "]"
        if flags.sharp_v:
            opening, separator, closing = type_name(mapping) + "{", ", ", "}"
        self.write(opening)
        for position, (key, item) in enumerate(sorted_items(mapping)):
            self.write(separator if position else "")
            self._print_value(key, verb, flags, depth + 1)
            self.write(":")
            self._print_value(item, verb, flags, depth + 1)
        self.write(closing)

    def _print_struct(self, value: Object, verb: str, flags: Flags, depth: int) -> None:
        # fmt marks a pointer with an ampersand, and prints its struct only at the top; an address says nothing here.
        self.write("&" if value.name.startswith("*") else "")
        self.write(value.name.removeprefix("*") + "{" if flags.sharp_v else "{")
        for position, (name, item) in enumerate(value.fields.items()):
            if position:
                self.write(", " if flags.sharp_v else " ")
            if flags.plus_v or flags.sharp_v:
                self.write(f"{name}:")
            self._print_value(item, verb, flags, depth + 1)
        self.write("}")

    def _print_opaque(self, value: GoValue | Function, verb: str, flags: Flags) -> None:
        """Print a function, or a struct whose fields Go does not export, by what it says or is."""
        text = value.go_string() if isinstance(value, GoValue) else None
        if verb in _STRINGER_VERBS:
            self.write(pad(type_name(value) if text is None else text, flags))
        else:
            self.write(f"%!{verb}({type_name(value)}{'' if text is None else f'={text}'})")


def _truncate(text: str, flags: Flags) -> str:
    return text if flags.precision is None else text[: flags.precision]


def _quoted(text: str, flags: Flags) -> str:
    if flags.sharp and can_backquote(text):
        return f"`{text}`"
    return quote(text, ascii_only=flags.plus)


def _hex_string(text: str, verb: str, flags: Flags) -> str:
    data = to_bytes(text)[: flags.precision]
    prefix = "0x" if flags.sharp and data else ""
    written = " ".join(f"{prefix}{byte:02x}" for byte in data) if flags.space else prefix + data.hex()
    return pad(written.upper() if verb == "X" else written, flags)
