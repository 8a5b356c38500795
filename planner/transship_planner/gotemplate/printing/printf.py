"""Go's fmt.Sprintf: the directives of a format string."""

from collections.abc import Sequence
from dataclasses import replace

from transship_planner.gotemplate.gostring import is_broken
from transship_planner.gotemplate.limits import Limits
from transship_planner.gotemplate.printing.formatting import Printer
from transship_planner.gotemplate.printing.numbers import Flags
from transship_planner.gotemplate.values import NO_VALUE, type_name


def sprintf(template: str, arguments: Sequence[object], limits: Limits) -> str:
    """Write values by a format string; what does not fit shows in the result, as in `%!d(string=x)`.

    Raises FunctionError as `sprint` does.
    """
    return _Sprintf(template, arguments, limits).run()


class _Sprintf:
    """One run over a format string."""

    def __init__(self, template: str, arguments: Sequence[object], limits: Limits) -> None:
        self._template = template
        self._arguments = arguments
        self._printer = Printer(limits)
        self._position = 0
        self._argument = 0
        self._reordered = False
        self._good_index = True
        self._after_index = False

    def run(self) -> str:
        while (percent := self._template.find("%", self._position)) >= 0:
            self._printer.write(self._template[self._position : percent])
            self._position = percent + 1
            self._directive()
        self._printer.write(self._template[self._position :])
        self._report_extra()
        return self._printer.text()

    def _directive(self) -> None:
        self._good_index = True
        self._after_index = False
        flags = self._flags()
        self._argument_index()
        flags = self._precision(self._width(flags))
        if not self._after_index:
            self._argument_index()
        if self._at_end():
            self._printer.write("%!(NOVERB)")
            return
        verb = self._template[self._position]
        self._position += 1
        self._print("\ufffd" if is_broken(verb) else verb, flags)

    def _print(self, verb: str, flags: Flags) -> None:
        if verb == "%":
            self._printer.write("%")
        elif not self._good_index:
            self._printer.write(f"%!{verb}(BADINDEX)")
        elif self._argument >= len(self._arguments):
            self._printer.write(f"%!{verb}(MISSING)")
        else:
            if verb in {"v", "w"}:
                flags = replace(flags, sharp=False, sharp_v=flags.sharp, plus=False, plus_v=flags.plus)
            self._printer.print_argument(self._arguments[self._argument], verb, flags)
            self._argument += 1

    def _at_end(self) -> bool:
        return self._position >= len(self._template)

    def _at(self, char: str) -> bool:
        return self._template.startswith(char, self._position)

    def _flags(self) -> Flags:
        start = self._position
        while not self._at_end() and self._template[self._position] in "#0+- ":
            self._position += 1
        seen = self._template[start : self._position]
        return Flags(minus="-" in seen, plus="+" in seen, sharp="#" in seen, space=" " in seen, zero="0" in seen)

    def _width(self, flags: Flags) -> Flags:
        if self._at("*"):
            self._position += 1
            self._after_index = False
            width = self._integer_argument()
            if width is None:
                self._printer.write("%!(BADWIDTH)")
                return flags
            if width < 0:
                return replace(flags, width=-width, minus=True, zero=False)
            return replace(flags, width=width)
        width = self._number()
        if self._after_index and width is not None:
            self._good_index = False
        return replace(flags, width=width)

    def _precision(self, flags: Flags) -> Flags:
        if not self._at(".") or self._position + 1 >= len(self._template):
            return flags
        self._position += 1
        if self._after_index:
            self._good_index = False
        self._argument_index()
        if not self._at("*"):
            return replace(flags, precision=self._number() or 0)
        self._position += 1
        self._after_index = False
        precision = self._integer_argument()
        if precision is None or precision < 0:
            self._printer.write("%!(BADPREC)")
            return flags
        return replace(flags, precision=precision)

    def _integer_argument(self) -> int | None:
        """Take a width or precision from the arguments; None if it is no integer, or beyond a million as in Go."""
        if self._argument >= len(self._arguments):
            return None
        value = self._arguments[self._argument]
        self._argument += 1
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 1_000_000:
            return None
        return int(value)

    def _number(self) -> int | None:
        start = self._position
        while not self._at_end() and self._template[self._position] in "0123456789":
            self._position += 1
        digits = self._template[start : self._position]
        if not digits:
            return None
        if len(digits) > 7 or int(digits) > 1_000_000:
            # fmt gives up on a number this long, and with it on the rest of the format.
            self._position = len(self._template)
            return None
        return int(digits)

    def _argument_index(self) -> None:
        """Read an explicit index such as `[2]`."""
        self._after_index = False
        if not self._at("["):
            return
        self._reordered = True
        closing = self._template.find("]", self._position)
        if closing < 0:
            self._good_index = False
            self._position += 1
            return
        digits = self._template[self._position + 1 : closing]
        self._position = closing + 1
        is_number = digits.isascii() and digits.isdecimal() and len(digits) <= 7
        self._after_index = is_number
        if is_number and 1 <= int(digits) <= len(self._arguments):
            self._argument = int(digits) - 1
        else:
            self._good_index = False

    def _report_extra(self) -> None:
        if self._reordered or self._argument >= len(self._arguments):
            return
        self._printer.write("%!(EXTRA ")
        for position, argument in enumerate(self._arguments[self._argument :]):
            self._printer.write(", " if position else "")
            if argument is None or argument is NO_VALUE:
                self._printer.write("<nil>")
            else:
                self._printer.write(f"{type_name(argument)}=")
                self._printer.print_argument(argument, "v", Flags())
        self._printer.write(")")
