"""What the values of this room have in common: immutable, compared by their parts, and one text in documents."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, order_default=True)
def value(kind: type[T]) -> type[T]:
    """Make a class of annotated fields an immutable value: frozen, slotted, equal and ordered by its fields.

    It is no dataclass to the eye of msgspec, which would write the fields one by one: documents hold the value's text,
    as `codec` reads and writes it.
    """
    made = dataclass(frozen=True, slots=True, order=True)(kind)
    delattr(made, "__dataclass_fields__")
    return made
