"""Read a run folder, and refuse one that is incomplete: the only thing the report sees of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nnstrategies.errors import RunFolderError
from nnstrategies.report.definitions import BASELINES

MEND = "repeat the run that made this folder (`nnstrategies run CONFIG`)"
DATES = frozenset({"date", "asof", "blocked_on", "in_force_from", "in_force_until", "fitted", "first", "last"})
FOLD_DATES = ("train_first", "train_last", "labels_until", "valid_first", "valid_last")
OPEN_DATES = frozenset({"repaired_on", *FOLD_DATES})  # missing where it has not happened
TEXTS = frozenset({"symbol", "side", "reason", "detail", "recipe", "kind", "account", "actual", "predicted", "class"})
TEXTS |= {"decision", "method", "by", "feature", "metric", "factor", "span", "regime", "field", "industry", "portfolio"}
COLUMNS: dict[str, tuple[str, ...]] = {
    "returns": ("date", "equal_weight", "benchmark"),
    "trades": ("portfolio", "traded", "mean_value", "sessions", "sales", "won"),
    "targets": ("date", "symbol", "target", "achieved", "reason"),
    "orders": ("date", "symbol", "side", "size", "reason"),
    "fills": ("date", "symbol", "side", "size", "price", "fee", "slippage_cost", "reason"),
    "refusals": ("date", "symbol", "side", "size", "reason"),
    "blocked": (
        *("date", "symbol", "side", "reason", "blocked_on", "blocked_price"),
        *("repaired_on", "repaired_price", "size", "cost"),
    ),
    "ledger": ("date", "transaction", "kind", "symbol", "account", "amount"),
    "actions": ("date", "symbol", "size_before", "size_after", "inferred"),
    "positions": ("date", "symbol", "size", "price", "value"),
    "account": ("date", "value", "cash", "position_ratio"),
    "ic": ("date", "recipe", "seed", "ic", "rank_ic"),
    "losses": ("recipe", "seed", "asof", "epoch", "train", "valid"),
    "folds": (
        *("recipe", "seed", "asof", "decision", *FOLD_DATES, "train_rows", "valid_rows"),
        *("in_force_from", "in_force_until"),
    ),
    "confusion": ("recipe", "seed", "actual", "predicted", "count"),
    "calibration": ("recipe", "seed", "class", "bin", "count", "probability", "share", "error"),
    "importance": (
        *("recipe", "seed", "method", "by", "feature", "lag_first", "lag_last", "metric"),
        *("value", "spread", "error", "baseline", "dates", "repeats"),
    ),
}
_JUDGED = ("recipe", "seed", "date", "predicted", "named", "right")
OPTIONAL: dict[str, tuple[str, ...]] = {  # tables that some runs have no rows for; read as empty where they are absent
    "judged": _JUDGED,
    "judged_forecasts": _JUDGED,
    "regimes": ("date", "trailing", "regime"),
    "fit_seconds": ("recipe", "seed", "asof", "seconds"),
    "forecast_path": ("recipe", "symbol", "field", "date", "price", "forecast", "unchanged"),
    "forecasts": ("recipe", "seed", "symbol", "threshold", "judged", "acted", "hits", "rises", "price_error"),
    "screens": ("recipe", "asof", "factor", "horizon_days", "mean_ic", "ic_ir", "passed", "kept"),
    "quintiles": ("recipe", "factor", "span", "quintile", "mean_return", "dates"),
    "cross_validation": ("recipe", "fold", "seed", "fitted", "first", "last", "dates", "rank_ic", "accuracy"),
    "decisions": (
        *("date", "chosen", "invested", "largest", "exposure", "correlation", "allowed"),
        *("industry", "industry_weight", "wanted_turnover", "turnover"),
    ),
    "attribution": (
        *("kind", "industry", "weight", "benchmark_weight"),
        *("allocation", "selection", "interaction", "total"),
    ),
}
MANIFEST = (
    *("name", "title", "code", "packages", "data", "features", "label", "test", "headline"),
    *("leaks", "benchmark", "costs", "market"),
)
MARKET = ("book", "title", "unsure", "slippage")
DIVIDEND_TAX = "expenses:dividend_tax"
CENT = 0.01  # smallest difference that counts, in currency


@dataclass(frozen=True)
class RunFolder:
    """One run, checked: tables as recorded, ``returns`` indexed by date with one column per portfolio [T, P].

    judgements: right classes by date, and right directions of recipes that forecast without naming classes.
    """

    root: Path
    manifest: dict[str, Any]
    timeline: list[dict[str, Any]]
    evidence: dict[str, dict[str, Any]]
    truth: dict[str, Any] | None
    returns: pd.DataFrame
    targets: pd.DataFrame
    orders: pd.DataFrame
    fills: pd.DataFrame
    refusals: pd.DataFrame
    blocked: pd.DataFrame
    ledger: pd.DataFrame
    actions: pd.DataFrame
    positions: pd.DataFrame
    account: pd.DataFrame
    ic: pd.DataFrame
    losses: pd.DataFrame
    folds: pd.DataFrame
    confusion: pd.DataFrame
    calibration: pd.DataFrame
    importance: pd.DataFrame
    config: str
    variants: dict[str, Any]
    forecasts: pd.DataFrame
    judgements: pd.DataFrame
    regimes: pd.DataFrame
    fit_seconds: pd.DataFrame
    forecast_path: pd.DataFrame
    screens: pd.DataFrame
    quintiles: pd.DataFrame
    cross_validation: pd.DataFrame
    decisions: pd.DataFrame
    attribution: pd.DataFrame
    trades: pd.DataFrame
    trials: dict[str, Any]
    choices: list[dict[str, Any]]

    @property
    def headline(self) -> str:
        return str(self.manifest["headline"])

    @property
    def judged(self) -> str:
        """The recipe whose scores order the headline portfolio: the headline itself, or the first it is made of."""
        return str(self.manifest.get("judged", self.headline))

    @cached_property
    def portfolios(self) -> list[str]:
        return [str(name) for name in self.returns.columns]

    @cached_property
    def recipes(self) -> list[str]:
        """Recipes with a portfolio of their own, in the order of the table."""
        return [name for name in self.portfolios if "/" not in name and name not in BASELINES]

    @cached_property
    def compared(self) -> list[str]:
        """Portfolios without those of single seeds, the headline first; no benchmark where the data has none."""
        known = [name for name in self.portfolios if name != "benchmark" or self.returns[name].any()]
        return [self.headline, *(name for name in known if name != self.headline and "/" not in name)]

    def seeds_of(self, recipe: str) -> list[str]:
        """Portfolios of the single seeds of a recipe, such as ``lstm/0``."""
        return [name for name in self.portfolios if name.startswith(f"{recipe}/")]


def read_run_folder(root: Path) -> RunFolder:
    """Read and check all tables but scores.parquet, which the report does not need.

    Raises RunFolderError naming the file, what was expected and the mend.
    """
    root = Path(root)
    if not root.is_dir():
        raise RunFolderError(f"{root}: expected a run folder, found none; give a folder made by `nnstrategies run`")
    tables = {name: _table(root / f"{name}.parquet", columns) for name, columns in COLUMNS.items()}
    tables["returns"] = _returns(root / "returns.parquet", tables["returns"])
    tables |= {name: _optional(root / f"{name}.parquet", columns) for name, columns in OPTIONAL.items()}
    tables["judgements"] = pd.concat([tables.pop("judged"), tables.pop("judged_forecasts")], ignore_index=True)
    truth = root / "truth.json"
    run = RunFolder(
        root=root,
        manifest=_json(root / "manifest.json", dict, MANIFEST),
        timeline=_json(root / "timeline.json", list),
        evidence=_json(root / "evidence.json", dict),
        truth=_json(truth, dict, ("parts", "models")) if truth.exists() else None,
        config=_text(root / "config.yaml"),
        choices=_json(root / "search.json", list) if (root / "search.json").exists() else [],
        trials=_json(root / "trials.json", dict) if (root / "trials.json").exists() else {},
        variants=_json(root / "variants.json", dict) if (root / "variants.json").exists() else {},
        **tables,
    )
    _check_names(run)
    _check_ledger(run)
    return run


def _optional(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if path.exists():
        return _table(path, columns)
    frame = pd.DataFrame({name: [] for name in columns})
    for name in columns:
        _check_column(path, frame, name)
    return frame


def _problem(path: Path, expected: str, got: str) -> RunFolderError:
    return RunFolderError(f"{path}: expected {expected}, got {got}; {MEND}")


def _text(path: Path) -> str:
    if not path.is_file():
        raise _problem(path, "a file", "none (missing)")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise _problem(path, "UTF-8 text", "other bytes") from None


def _json(path: Path, kind: type, keys: tuple[str, ...] = ()) -> Any:
    text = _text(path)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise _problem(path, "JSON", f"text that is not ({error})") from None
    if not isinstance(value, kind):
        raise _problem(path, f"a JSON {kind.__name__}", type(value).__name__)
    content: Any = value
    missing = [key for key in keys if key not in content]
    if missing:
        raise _problem(path, f"the keys {', '.join(keys)}", f"none named {', '.join(missing)}")
    return value


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise _problem(path, f"a Parquet table with columns {', '.join(columns)}", "none (missing)")
    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises many kinds for damaged files
        raise _problem(path, "a Parquet table", f"a file that cannot be read ({error})") from None
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise _problem(path, f"columns {', '.join(columns)}", f"none named {', '.join(missing)}")
    for name in columns:
        _check_column(path, frame, name)
    return frame


def _check_column(path: Path, frame: pd.DataFrame, name: str) -> None:
    """Dates become datetime64[ns], texts plain strings; numbers must be numbers (seed may be anything)."""
    if name in DATES | OPEN_DATES:
        try:
            dates = pd.to_datetime(frame[name])
        except (ValueError, TypeError):
            raise _problem(path, f"dates in column {name}", f"dtype {frame[name].dtype}") from None
        if dates.dt.tz is not None or (name in DATES and dates.isna().any()):
            raise _problem(path, f"time-zone-naive dates in column {name}", "a time zone or missing dates")
        frame[name] = dates.astype("datetime64[ns]")
    elif name in TEXTS:
        frame[name] = frame[name].fillna("").astype(str)
    elif name != "seed" and len(frame) and not pd.api.types.is_numeric_dtype(frame[name]):
        raise _problem(path, f"numbers in column {name}", f"dtype {frame[name].dtype}")


def _returns(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    table = frame.set_index("date")
    if table.empty:
        raise _problem(path, "at least one session", "an empty table")
    if not table.index.is_monotonic_increasing or table.index.has_duplicates:
        raise _problem(path, "strictly increasing dates", "repeated or unsorted dates")
    for name in table.columns:
        values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
        bad = ~np.isfinite(values) | (values < -1)
        if bad.any():
            day = f"{table.index[int(bad.argmax())]:%Y-%m-%d}"
            got = table[name].iloc[int(bad.argmax())]
            raise _problem(path, f"finite returns of at least -1 in column {name}", f"{got} on {day}")
    return table.astype(np.float64)


def _check_names(run: RunFolder) -> None:
    path = run.root / "returns.parquet"
    if run.headline not in run.returns.columns:
        names = ", ".join(run.portfolios)
        raise _problem(path, f"a column {run.headline} (manifest.json: headline)", f"columns {names}")
    if run.account.empty:
        raise _problem(run.root / "account.parquet", "at least one session", "an empty table")
    missing = [key for key in MARKET if key not in run.manifest["market"]]
    if missing:
        expected = f"the keys {', '.join(MARKET)} under market"
        raise _problem(run.root / "manifest.json", expected, f"none named {', '.join(missing)}")


def _check_ledger(run: RunFolder) -> None:
    """Every transaction's postings add up to zero, and the fees booked are those of the fills, to the minor unit."""
    path = run.root / "ledger.parquet"
    sums = run.ledger.groupby("transaction")["amount"].sum().abs()
    if (sums > CENT / 2).any():
        number = sums.idxmax()
        raise _problem(path, "postings that add up to zero", f"{sums.max():.4g} in transaction {number}")
    costs = run.ledger["account"].str.startswith("expenses:") & run.ledger["kind"].isin(("buy", "sell"))
    booked = float(run.ledger["amount"][costs & (run.ledger["account"] != DIVIDEND_TAX)].sum())
    charged = float(run.fills["fee"].sum())
    if abs(booked - charged) > CENT * max(len(run.fills), 1):
        raise _problem(path, f"fees as in fills.parquet, {charged:,.2f} in all", f"{booked:,.2f}")
