"""One line of a table of properties."""

from typing import NamedTuple


class Row(NamedTuple):
    """A quantity as a person reads it.

    Attributes
    ----------
    quantity, value, unit : str
    """

    quantity: str
    value: str
    unit: str
