"""A list of orders, some of which are made only when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class _Later(NamedTuple):
    make: Callable[[], list[Any]]
    length: int


class Records(list[Any]):
    """A list to its readers; ``later`` appends what the first of them has made.

    backtrader and users know these places as plain lists (``broker.orders``, ``strategy._orders``): whatever reads or
    changes one completes it first. Appending and counting do not.
    """

    _late = False

    def later(self, make: Callable[[], list[Any]], length: int) -> None:
        """Append the ``length`` objects that ``make`` will return."""
        super().append(_Later(make, length))
        self._late = True

    def extend(self, more: Iterable[Any]) -> None:
        """Append all of ``more``; what is late there stays so here."""
        if isinstance(more, Records) and more._late:
            self._late = True
            more = list.__iter__(more)
        super().extend(more)

    def complete(self) -> None:
        """Make what is late."""
        if self._late:
            self._late = False
            parts = [each.make() if type(each) is _Later else (each,) for each in list.__iter__(self)]
            list.__setitem__(self, slice(None), [each for part in parts for each in part])

    def __len__(self) -> int:
        if not self._late:
            return super().__len__()
        return sum(each.length if type(each) is _Later else 1 for each in list.__iter__(self))

    def __reduce__(self) -> Any:
        return list, (list(self),)

    def __radd__(self, before: list[Any]) -> list[Any]:
        return [*before, *self]


def _completed(name: str) -> Callable[..., Any]:
    plain = getattr(list, name)

    def method(self: Records, *args: Any, **more: Any) -> Any:
        self.complete()
        return plain(self, *args, **more)

    method.__name__ = name
    return method


for _name in (
    *("__iter__", "__reversed__", "__contains__", "__getitem__", "__setitem__", "__delitem__", "__repr__"),
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__add__", "__iadd__", "__mul__", "__rmul__"),
    *("__imul__", "index", "count", "copy", "pop", "insert", "remove", "reverse", "sort"),
):
    setattr(Records, _name, _completed(_name))
