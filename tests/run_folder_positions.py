"""Decisions and attribution of the synthetic run folder."""

from __future__ import annotations

import numpy as np
import pandas as pd

INDUSTRIES = 15


def managed(days: pd.DatetimeIndex, held: int) -> dict[str, pd.DataFrame]:
    """A row a rebalance in ``days``; an attribution over more industries than the report shows alone."""
    rng = np.random.default_rng(len(days))
    correlation = np.clip(0.45 + np.cumsum(rng.normal(0, 0.06, len(days))), 0.1, 0.95)
    allowed = np.clip(0.5 / correlation, 0.5, 1.0)
    wanted = rng.uniform(0.2, 0.5, len(days))
    decisions = {
        "date": days,
        "chosen": float(held),
        "invested": 0.95 * allowed,
        "largest": 0.95 * allowed / held,
        "exposure": 1.0,
        "correlation": correlation,
        "allowed": allowed,
        "industry": [f"Industry {k % 3:02d}" for k in range(len(days))],
        "industry_weight": rng.uniform(0.15, 0.3, len(days)),
        "wanted_turnover": wanted,
        "turnover": np.minimum(wanted, 0.35),
    }
    return {"decisions": pd.DataFrame(decisions), "attribution": _attribution(rng)}


def _attribution(rng: np.random.Generator) -> pd.DataFrame:
    effects = rng.normal(0, 0.01, (3, INDUSTRIES))
    table = pd.DataFrame(
        {
            "kind": "industry",
            "industry": ["unknown", *(f"Industry {k:02d}" for k in range(1, INDUSTRIES))],
            "weight": rng.dirichlet(np.ones(INDUSTRIES)) * 0.95,
            "benchmark_weight": rng.dirichlet(np.ones(INDUSTRIES)),
            **dict(zip(("allocation", "selection", "interaction"), effects, strict=True)),
            "total": effects.sum(axis=0),
        }
    )
    cash = {"kind": ["cash"], "weight": 0.05, "benchmark_weight": 0.0, "allocation": -0.01, "total": -0.01}
    cash |= {"selection": 0.0, "interaction": 0.0}
    rest = pd.DataFrame({"kind": ["costs", "other"], "total": [-0.03, 0.001]})
    return pd.concat([table, pd.DataFrame(cash), rest], ignore_index=True).fillna({"industry": ""})
