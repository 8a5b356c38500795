"""A state as the bytes of its file."""

from typing import Final

import msgspec

from transship_registry.codec import encode_json, to_builtins
from transship_state.document import Record, State

_NO_RECORDS: Final = b'\n  "records": [],'
_INDENT: Final = b"\n    "


class StateEncoder:
    """Encodes one state after the other; what they have in common is encoded once.

    A run writes the whole state after each change, which thousands of records would make slow.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Record, bytes]] = {}

    def encode(self, state: State) -> bytes:
        """Return the state in JSON, indented for people, with a line end."""
        self._known = {id(record): self._encoded(record) for record in state.records}
        frame = _formatted(msgspec.structs.replace(state, records=())) + b"\n"
        if not self._known:
            return frame
        head, _, tail = frame.partition(_NO_RECORDS)
        records = (b"," + _INDENT).join(text for _, text in self._known.values())
        return b"".join((head, b'\n  "records": [', _INDENT, records, b"\n  ],", tail))

    def _encoded(self, record: Record) -> tuple[Record, bytes]:
        """Return the text of a record, and the record itself, lest another one gets its place in memory."""
        known = self._known.get(id(record))
        return known or (record, _formatted(record).replace(b"\n", _INDENT))


def _formatted(document: Record | State) -> bytes:
    return msgspec.json.format(encode_json(to_builtins(document)), indent=2)
