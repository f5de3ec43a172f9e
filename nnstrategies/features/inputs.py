"""What a feature reads beside the prices, and whether a panel has it."""

from __future__ import annotations

from dataclasses import dataclass

from nnstrategies.panel import Panel


@dataclass(frozen=True)
class Input:
    """One item: a field of the panel, or a column of one of its event tables; either will do.

    field, table: "" where the item cannot come from there. item: the column in ``table``.
    """

    item: str
    table: str = ""
    field: str = ""

    def met(self, panel: Panel) -> bool:
        """Whether the panel has a place for the item; how full it is does not matter, so every cut of it agrees."""
        if self.field and self.field in panel:
            return True
        return self.table in panel.event_names and self.item in panel.events(self.table).columns

    def place(self) -> str:
        """Where a user can put it."""
        field = f"column {self.field!r} of the prices" if self.field else ""
        table = f"column {self.item!r} of table {self.table!r}" if self.table else ""
        return " or ".join(part for part in (field, table) if part)
