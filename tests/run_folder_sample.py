"""Write a synthetic run folder with the exact schema of a real one: the report's tests and screenshots use it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from run_folder_books import blocked, books
from run_folder_explained import FEATURES, explained
from run_folder_judged import PERIODS, PUBLISHED, judged
from run_folder_positions import managed

RECIPES = ("ridge", "gradient_boosting", "lstm", "cnn_lstm")
NETWORKS = ("lstm", "cnn_lstm")
HEADLINE = "cnn_lstm"


@dataclass(frozen=True)
class Sample:
    """Settings of a synthetic run; ``held`` symbols are owned after each monthly rebalance."""

    symbols: int = 40
    sessions: int = 260
    held: int = 10
    seeds: int = 3
    null: int = 39
    refits: int = 2
    simulated: bool = True
    signal: float = 0.04
    seed: int = 11


def write_run_folder(root: Path, sample: Sample = Sample()) -> Path:
    """Write the run folder ``root`` and return it; the same settings give the same bytes of every table."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sample.seed)
    days = pd.bdate_range("2017-01-03", periods=sample.sessions).as_unit("s")
    symbols = [f"{600000 + k:06d}.SH" for k in range(sample.symbols)]
    returns = _returns(rng, days, sample)
    refit_rows = np.linspace(0, len(days) - 1, sample.refits, endpoint=False).astype(int)
    _write(root / "returns.parquet", returns)
    _write(root / "trades.parquet", _trades(returns, sample))
    _trading(root, rng, days, symbols, returns, sample)
    ic = _ic(rng, days, sample)
    _write(root / "ic.parquet", ic)
    _write(root / "losses.parquet", _losses(rng, days[refit_rows], sample))
    _write(root / "scores.parquet", _scores(rng, days[:3], symbols))
    seeds = {recipe: _seeds(recipe, sample) for recipe in RECIPES}
    for name, frame in explained(np.random.default_rng(sample.seed), days, refit_rows, seeds, HEADLINE).items():
        _write(root / f"{name}.parquet", frame)
    for name, frame in judged(np.random.default_rng(sample.seed), days, seeds).items():
        _write(root / f"{name}.parquet", frame)
    _json(root / "timeline.json", _timeline(days, refit_rows, sample))
    _json(root / "evidence.json", _evidence(rng, ic, sample))
    _json(root / "manifest.json", _manifest(days, sample))
    if sample.simulated:
        _json(root / "truth.json", _truth(sample))
    (root / "config.yaml").write_text("name: sample\ntitle: Synthetic run\nmodel: {kind: cnn_lstm}\n", encoding="utf-8")
    (root / "log.txt").write_text("synthetic\n", encoding="utf-8")
    return root


def _write(path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(path, index=False)


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def _returns(rng: np.random.Generator, days: pd.DatetimeIndex, sample: Sample) -> pd.DataFrame:
    market = rng.standard_t(5, len(days)) * 0.008 + 0.0002
    columns: dict[str, Any] = {"date": days}
    edges = {"ridge": 0.5, "gradient_boosting": 0.8, "lstm": 1.0, "cnn_lstm": 1.2}
    for recipe in RECIPES:
        edge = edges[recipe] * sample.signal * 0.008
        columns[recipe] = 0.9 * market + edge + rng.normal(0, 0.004, len(days))
        if recipe in NETWORKS:
            for seed in range(sample.seeds):
                columns[f"{recipe}/{seed}"] = columns[recipe] + rng.normal(-0.00005, 0.001, len(days))
    columns["momentum"] = market + rng.normal(-0.0001, 0.005, len(days))
    columns["equal_weight"] = market + rng.normal(0.0001, 0.001, len(days))
    columns["benchmark"] = market + rng.normal(0, 0.002, len(days))
    return pd.DataFrame(columns)


def _trades(returns: pd.DataFrame, sample: Sample) -> pd.DataFrame:
    """Half of the account sold and bought each month, every other sale with a gain."""
    names = [name for name in returns.columns if name not in ("date", "equal_weight", "benchmark")]
    sales = max(1, sample.held // 3) * (sample.sessions // 21)
    traded = 1e6 * (sample.sessions // 21)
    rows = [(name, traded, 1e6, sample.sessions, sales, sales // 2) for name in names]
    return pd.DataFrame(rows, columns=["portfolio", "traded", "mean_value", "sessions", "sales", "won"])


def _rebalance_rows(days: pd.DatetimeIndex) -> list[int]:
    months = days.year * 12 + days.month
    return [0, *(np.flatnonzero(np.diff(months)) + 1).tolist()]


def _trading(
    root: Path,
    rng: np.random.Generator,
    days: pd.DatetimeIndex,
    symbols: list[str],
    returns: pd.DataFrame,
    sample: Sample,
) -> None:
    """Targets, orders, fills, refusals, positions and account of a portfolio that swaps a few names each month."""
    value = 1e6 * np.cumprod(1 + returns[HEADLINE].to_numpy())
    prices = 10 * np.exp(np.cumsum(rng.normal(0, 0.01, (len(days), len(symbols))), axis=0))
    rows = _rebalance_rows(days)
    held = sorted(rng.choice(len(symbols), sample.held, replace=False).tolist())
    targets, fills, refusals, positions = [], [], [], []
    for at, first in enumerate(rows):
        last = rows[at + 1] if at + 1 < len(rows) else len(days)
        out = rng.choice(held, max(1, sample.held // 3), replace=False).tolist() if at else []
        pool = [n for n in range(len(symbols)) if n not in held]
        new = rng.choice(pool, len(out), replace=False).tolist() if at else held
        wanted = sorted(set(held) - set(out) | set(new))
        stuck = wanted[0] if at % 2 and wanted[0] in new else None
        weight = 0.95 / len(wanted)
        for n in wanted:
            targets.append(
                (
                    days[first],
                    symbols[n],
                    weight,
                    0.0 if n == stuck else weight * (1 + rng.normal(0, 0.01)),
                    "limit-up" if n == stuck else ("" if n % 3 else "lot rounding"),
                )
            )
        for n, side in [(n, "sell") for n in out] + [(n, "buy") for n in new if n != stuck]:
            size = float(round(weight * value[first] / prices[first, n] / 100) * 100)
            traded = size * prices[first, n]
            fills.append((days[first], symbols[n], side, size, prices[first, n], traded * 0.0008, traded * 0.0005))
        if stuck is not None:
            refusals.append((days[first], symbols[stuck], "buy", 100.0, "limit-up", "opened at the upper limit"))
        if at % 3 == 0:
            refusals.append((days[first], symbols[held[-1]], "sell", 100.0, "suspended", "no trading on that session"))
        if at % 4 == 1:
            for n in held[:3]:
                refusals.append((days[first], symbols[n], "sell", 100.0, "limit-down", "opened at the lower limit"))
        held = [n for n in wanted if n != stuck]
        for t in range(first, last):
            for n in held:
                size = weight * value[t] / prices[t, n]
                positions.append((days[t], symbols[n], size, prices[t, n], size * prices[t, n]))
    fill = pd.DataFrame(fills, columns=["date", "symbol", "side", "size", "price", "fee", "slippage_cost"])
    fill["reason"] = "rebalance"
    position = pd.DataFrame(positions, columns=["date", "symbol", "size", "price", "value"])
    invested = position.groupby("date")["value"].sum().reindex(days, fill_value=0.0).to_numpy()
    _write(root / "targets.parquet", pd.DataFrame(targets, columns=["date", "symbol", "target", "achieved", "reason"]))
    _write(root / "fills.parquet", fill)
    _write(root / "orders.parquet", fill[["date", "symbol", "side", "size"]].assign(reason="rebalance"))
    refused = pd.DataFrame(refusals, columns=["date", "symbol", "side", "size", "reason", "detail"])
    for name, table in managed(days[rows], sample.held).items():
        _write(root / f"{name}.parquet", table)
    ledger, actions = books(fill, position)
    _write(root / "refusals.parquet", refused)
    _write(root / "blocked.parquet", blocked(rng, refused, days, 1 / sample.held))
    _write(root / "ledger.parquet", ledger)
    _write(root / "actions.parquet", actions)
    _write(root / "positions.parquet", position)
    account = {"date": days, "value": value, "cash": value - invested, "position_ratio": invested / value}
    _write(root / "account.parquet", pd.DataFrame(account))


def _seeds(recipe: str, sample: Sample) -> list[int]:
    return list(range(sample.seeds)) if recipe in NETWORKS else [0]


def _ic(rng: np.random.Generator, days: pd.DatetimeIndex, sample: Sample) -> pd.DataFrame:
    frames = []
    for k, recipe in enumerate(RECIPES):
        for seed in _seeds(recipe, sample):
            rank = rng.normal(sample.signal * (0.4 + 0.2 * k), 0.09, len(days))
            values = {"date": days, "recipe": recipe, "seed": seed, "ic": rank * 0.9, "rank_ic": rank}
            frames.append(pd.DataFrame(values))
    return pd.concat(frames, ignore_index=True)


def _losses(rng: np.random.Generator, asofs: pd.DatetimeIndex, sample: Sample) -> pd.DataFrame:
    rows = []
    for recipe in NETWORKS:
        for seed in range(sample.seeds):
            for asof in asofs:
                start = 0.70 + rng.normal(0, 0.005)
                for epoch in range(1, 13):
                    train = start - 0.04 * (1 - np.exp(-epoch / 4)) + rng.normal(0, 0.0008)
                    valid = start - 0.02 * (1 - np.exp(-epoch / 3)) + 0.0008 * epoch + rng.normal(0, 0.001)
                    rows.append((recipe, seed, asof, epoch, train, valid))
    return pd.DataFrame(rows, columns=["recipe", "seed", "asof", "epoch", "train", "valid"])


def _scores(rng: np.random.Generator, days: pd.DatetimeIndex, symbols: list[str]) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([days, symbols, [HEADLINE], [0]], names=["date", "symbol", "recipe", "seed"])
    return pd.DataFrame({"score": rng.random(len(index)).astype("float32")}, index=index).reset_index()


def _timeline(days: pd.DatetimeIndex, refit_rows: Any, sample: Sample) -> list[dict[str, Any]]:
    rows = []
    for recipe in RECIPES:
        for seed in _seeds(recipe, sample):
            for k, row in enumerate(refit_rows):
                asof = days[row] - pd.offsets.BDay(1)
                rows.append(
                    {
                        "recipe": recipe,
                        "seed": seed,
                        "version": f"{recipe}-{seed}-{k:03d}a9f3",
                        "asof": f"{asof:%Y-%m-%d}",
                        "trained_through": f"{asof - pd.offsets.BDay(11):%Y-%m-%d}",
                        "effective_from": f"{days[row]:%Y-%m-%d}",
                        "decision": "promoted" if k % 4 != 3 else "kept incumbent",
                        "metrics": {"valid_loss": 0.68 + 0.001 * k, "valid_rank_ic": 0.03},
                    }
                )
    return rows


def _evidence(rng: np.random.Generator, ic: pd.DataFrame, sample: Sample) -> dict[str, Any]:
    result = {}
    for recipe, rows in ic.groupby("recipe", sort=False):
        seeds = rows.groupby("seed")["rank_ic"].mean()
        observed = float(seeds.mean())
        null = rng.normal(0, 0.007, sample.null)
        result[str(recipe)] = {
            "rank_ic": observed,
            "rank_ic_std_dates": float(rows.groupby("date")["rank_ic"].mean().std()),
            "seeds": {str(seed): float(value) for seed, value in seeds.items()},
            "seed_spread": float(seeds.std(ddof=1)) if len(seeds) > 1 else 0.0,
            "ic": float(rows["ic"].mean()),
            "null": [float(x) for x in null],
            "p_value": float((1 + (null >= observed).sum()) / (1 + len(null))),
            "refits": sample.refits,
        }
    return result


def _truth(sample: Sample) -> dict[str, Any]:
    best = {"linear": 0.030, "non_linear": 0.025, "order": 0.028, "total": 0.048}
    found = {
        "ridge": {"linear": 0.024, "non_linear": 0.001, "order": -0.001, "total": 0.016},
        "gradient_boosting": {"linear": 0.022, "non_linear": 0.015, "order": 0.002, "total": 0.024},
        "lstm": {"linear": 0.020, "non_linear": 0.014, "order": 0.016, "total": 0.030},
        "cnn_lstm": {"linear": 0.022, "non_linear": 0.016, "order": 0.019, "total": 0.034},
    }
    return {
        "horizon_days": 10,
        "parts": {part: {"best_rank_ic": value} for part, value in best.items()},
        "models": found,
        "signal": sample.signal > 0,
    }


def _manifest(days: pd.DatetimeIndex, sample: Sample) -> dict[str, Any]:
    return {
        "name": "sample",
        "title": "Synthetic run",
        "created": "2024-05-06T12:00:00",
        "code": {"nnstrategies": "0.1.0", "python": "3.11.9", "git": "0123abc"},
        "packages": {"numpy": "2.4.6", "pandas": "3.1.1", "torch": "2.13.0"},
        "data": {
            "name": "simulated" if sample.simulated else "csi300",
            "source": "simulated A-share market",
            "fingerprint": "3f1c9e02d4b5a687",
            "first": "2014-01-02",
            "last": f"{days[-1]:%Y-%m-%d}",
            "symbols": sample.symbols,
            "sessions": sample.sessions + 700,
            "repairs": ["3 duplicate rows dropped"],
        },
        "features": {"hash": "a1b2c3d4e5f60718", "names": list(FEATURES)},
        "label": {"kind": "return", "horizon_days": 10},
        "test": {"first": f"{days[0]:%Y-%m-%d}", "last": f"{days[-1]:%Y-%m-%d}"},
        "headline": HEADLINE,
        "leaks": [],
        "published": PUBLISHED,
        "periods": PERIODS,
        "tasks": {"main": {"recipes": list(RECIPES), "overlap_days": 10}},
        "benchmark": {"name": "Simulated index", "kind": "price index"},
        "costs": {"kind": "schedule", "commission_bps": 3.0, "minimum": None, "net_of_exchange_fees": False},
        "market": {
            "book": "cn_a",
            "title": "China A-shares",
            "unsure": [
                "price_limit, st, sse_main, szse_main, 1990-12-19..2026-07-05: general: synthetic example",
                "order_size, bse, 2021-11-15..: code: synthetic example (to be confirmed)",
            ],
            "slippage": {"kind": "bps", "bps": 5.0},
            "account": {"cash": 1_000_000.0, "participation": 0.1},
        },
        "device": "cpu",
        "seconds": {"data": 1.2, "features": 0.8, "training": 31.5, "backtest": 1.1},
        "cautions": ["Slippage is a constant, not a model of market impact."],
    }
