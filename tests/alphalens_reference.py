"""Numbers of alphalens-reloaded for a small seeded panel, which tests/test_factors.py compares ours with.

``python tests/alphalens_reference.py`` writes tests/alphalens_reference.json anew. It needs an environment of its own
with alphalens-reloaded, which the project does not depend on; the file says which releases made it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FILE = Path(__file__).with_suffix(".json")
PERIODS = (1, 5)
QUANTILES = 5
DATES, SYMBOLS = 45, 26  # 26: the inner edges of quintiles fall on values


def inputs() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Prices [T, N] and factors [T, N] from numpy's frozen legacy generator, factors exact in float32.

    plain: related to the next 5 sessions' returns; rounded: many ties; holes: NaN in a tenth of the cells.
    """
    random = np.random.RandomState(20)
    prices = 50 * np.exp(np.cumsum(0.02 * random.randn(DATES + max(PERIODS), SYMBOLS), axis=0))
    later = prices[5:] / prices[:-5] - 1
    slow = np.cumsum(random.randn(DATES, SYMBOLS), axis=0)
    factors = {
        "plain": later + 0.05 * random.randn(DATES, SYMBOLS),
        "rounded": np.round(2.0 * slow + random.randn(DATES, SYMBOLS), 1),
        "holes": np.where(random.rand(DATES, SYMBOLS) < 0.1, np.nan, -later + 0.1 * slow),
    }
    return prices, {name: values.astype(np.float32) for name, values in factors.items()}


def main() -> None:
    import alphalens
    from alphalens import performance, utils

    prices, factors = inputs()
    days = pd.bdate_range("2020-01-01", periods=len(prices), freq="B")
    names = [f"S{n:02d}" for n in range(SYMBOLS)]
    table = pd.DataFrame(prices, index=days, columns=names)
    out: dict[str, Any] = {"made_with": {"python": sys.version.split()[0], "numpy": np.__version__}}
    out["made_with"] |= {"pandas": pd.__version__, "alphalens-reloaded": alphalens.__version__}
    for name, values in factors.items():
        factor = pd.DataFrame(values.astype(float), index=days[:DATES], columns=names).stack().dropna()
        factor.index.names = ["date", "asset"]
        data = utils.get_clean_factor_and_forward_returns(
            factor, table, quantiles=QUANTILES, periods=PERIODS, max_loss=0.0
        )
        groups = data["factor_quantile"].unstack().reindex(columns=names)
        ic = performance.factor_information_coefficient(data)
        found: dict[str, Any] = {
            "rank_ic": ic.T.to_numpy(),  # [H, T]
            "mean_ic": ic.mean().to_numpy(),
            "ic_ir": (ic.mean() / ic.std()).to_numpy(),
            "groups": groups.fillna(0).astype(int).to_numpy(),  # [T, N]
            "turnover": np.stack([_turnover(performance, groups, data, q, 1) for q in range(1, 6)], axis=1),  # [T, Q]
            "turnover_5": np.stack([_turnover(performance, groups, data, q, 5) for q in range(1, 6)], axis=1),
            "autocorrelation": performance.factor_rank_autocorrelation(data, 1).to_numpy(),  # [T]
        }
        for key, relative in (("returns", False), ("relative", True)):
            mean, error = performance.mean_return_by_quantile(data, demeaned=relative)
            found |= {f"{key}_mean": mean.T.to_numpy(), f"{key}_error": error.T.to_numpy()}  # [H, Q]
            by_date, _ = performance.mean_return_by_quantile(data, by_date=True, demeaned=relative)
            spread, _ = performance.compute_mean_returns_spread(by_date, QUANTILES, 1)
            found[f"{key}_spread"] = spread.T.to_numpy()  # [H, T], alphalens halves it
        out[name] = {key: _plain(value) for key, value in found.items()}
    FILE.write_text(json.dumps(out, separators=(",", ":")).replace('"},"', '"},\n"').replace(']],"', ']],\n"') + "\n")


def _turnover(performance: Any, groups: pd.DataFrame, data: pd.DataFrame, quantile: int, lag: int) -> np.ndarray:
    found = performance.quantile_turnover(data["factor_quantile"], quantile, lag)
    return found.reindex(groups.index).to_numpy()


def _plain(values: np.ndarray) -> Any:
    """Nested lists with 13 significant digits and None for NaN."""
    if values.ndim > 1:
        return [_plain(row) for row in values]
    return [int(x) if values.dtype.kind == "i" else None if np.isnan(x) else float(f"{x:.13g}") for x in values]


if __name__ == "__main__":
    main()
