"""What the parameters of a RebalanceStrategy must be; refused when it is made."""

from __future__ import annotations

from typing import Any

from nnstrategies.errors import ConfigError
from nnstrategies.panel import Panel
from nnstrategies.strategies.correlation import CorrelationSettings
from nnstrategies.strategies.stops import StopSettings

PERIODS = ("month", "week", "day")


def check_settings(name: str, p: Any) -> None:
    """Raise ConfigError for the first parameter that cannot be; ``name`` is the strategy's class."""

    def expect(holds: bool, key: str, expected: str, got: object) -> None:
        if not holds:
            raise ConfigError(f"{name}: {key}: expected {expected}, got {got}")

    expect(isinstance(p.panel, Panel), "panel", "a Panel", f"{type(p.panel).__name__}; pass panel=...")
    expect(p.rebalance in PERIODS, "rebalance", f"one of {', '.join(PERIODS)}", repr(p.rebalance))
    expect(p.top_n is None or p.top_n >= 1, "top_n", "at least 1 or none", p.top_n)
    expect(0 <= p.cash_buffer < 1, "cash_buffer", "0 <= buffer < 1", p.cash_buffer)
    for key in ("max_weight", "max_industry", "max_turnover"):
        cap, what = getattr(p, key), key.removeprefix("max_")
        expect(cap is None or 0 < cap <= 1, key, f"0 < {'weight' if what == 'industry' else what} <= 1 or none", cap)
    for key, kind in (("stop", StopSettings), ("correlation", CorrelationSettings)):
        given = getattr(p, key)
        expect(given is None or isinstance(given, kind), key, f"{kind.__name__} or none", type(given).__name__)
    if p.max_industry is not None and "industries" not in p.panel.event_names:
        raise ConfigError(
            f"{name}: max_industry: {p.panel.name} has no table of industries; expected events industries with columns "
            f"symbol, known_at, industry (load_files(industries=...), docs/data.md)"
        )
