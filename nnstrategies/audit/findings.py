"""What an audit found: findings by stage, a verdict for each, the whole as plain values."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from nnstrategies.errors import LeakError

Verdict = Literal["clean", "not checked", "rounding", "cannot judge", "suspicious", "leak"]
_BY_WEIGHT: tuple[Verdict, ...] = ("clean", "not checked", "rounding", "cannot judge", "suspicious", "leak")
_NAMED = 3  # symbols in a line


@dataclass(frozen=True)
class Finding:
    """One thing that is not clean.

    name: the feature, label, recipe or strategy. what: what was seen, in words. first: the first session found to
    depend on a later one. symbols: those concerned, the ones of ``first`` first. share: of the compared values.
    size: largest difference in standard deviations of the values. ahead: sessions it looks ahead, at least.
    """

    stage: str
    name: str
    verdict: Verdict
    what: str
    first: str | None = None
    symbols: tuple[str, ...] = ()
    share: float | None = None
    size: float | None = None
    ahead: int | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.what}" + (f" ({details})" if (details := self._details()) else "")

    def _details(self) -> str:
        named = ", ".join(self.symbols[:_NAMED]) + (", ..." if len(self.symbols) > _NAMED else "")
        size = self.size is not None and math.isfinite(self.size)
        parts = (
            (self.first is not None, f"first on {self.first}"),
            (bool(self.symbols), f"{len(self.symbols)} symbols: {named}"),
            (self.share is not None, f"{self.share or 0:.2%} of the values"),
            (size, f"by {_size(self.size or 0.0)} standard deviations"),
            (self.ahead is not None, f"at least {self.ahead} session{'' if self.ahead == 1 else 's'} ahead"),
        )
        return "; ".join(text for said, text in parts if said)


def _size(value: float) -> str:
    return f"up to {value:.2g}" if value <= 10 else "more than 10"


@dataclass(frozen=True)
class Stage:
    """One kind of check: how many of which ``thing`` were checked on which dates, and how many values were compared."""

    name: str
    thing: str
    checked: int = 0
    dates: tuple[str, ...] = ()
    compared: int = 0
    findings: tuple[Finding, ...] = ()
    note: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        if self.findings:
            return max((finding.verdict for finding in self.findings), key=_BY_WEIGHT.index)
        counted = self.compared > 0 or self.thing in ("table", "recipe")  # a fixed rule has no weights to compare
        return "clean" if self.checked and counted else "not checked"


@dataclass(frozen=True)
class Audit:
    """All stages of one audit, in order."""

    name: str
    seed: int
    stages: tuple[Stage, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for stage in self.stages for finding in stage.findings)

    @property
    def leaks(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == "leak")

    def refuse_leaks(self, mend: str, brief: bool = False) -> None:
        """LeakError naming the first leaks; ``mend`` says what to do about them. brief: only where they are."""
        if not self.leaks:
            return
        some = self.leaks[:_NAMED]
        named = "; ".join(f"{leak.stage}: {leak.name if brief else leak}" for leak in some)
        more = f"; and {len(self.leaks) - _NAMED} more" if len(self.leaks) > _NAMED else ""
        raise LeakError(f"{self.name}: expected that nothing sees the future, got {named}{more}; {mend}")

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not known is None."""
        stages = []
        for stage in self.stages:
            tree = dataclasses.asdict(stage) | {"verdict": stage.verdict}
            stages.append({key: _plain(value) for key, value in tree.items()})
        return {"name": self.name, "seed": self.seed, "leaks": len(self.leaks), "stages": stages}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
