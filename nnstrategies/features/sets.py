"""Feature sets by name: what each of the five systems sees.

A name stands for features in a fixed order. Features whose table the user does not have are left out of a set, with a
line that says so; a feature that is asked for by its own name must be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from nnstrategies.errors import ConfigError, MissingTableError
from nnstrategies.features import fundamental, levels, macro, wavelet
from nnstrategies.features.cleaning import CLEANING, leaky_interpolated, leaky_three_sigma
from nnstrategies.features.cross_sectional import CROSS_SECTIONAL, change
from nnstrategies.features.feature_set import FeatureFunction, FeatureSet
from nnstrategies.features.inputs import Input
from nnstrategies.features.price_volume import PRICE_VOLUME, past_return
from nnstrategies.features.relative import RELATIVE
from nnstrategies.features.technical import TECHNICAL, macd_signal
from nnstrategies.panel import Panel
from nnstrategies.typing import AnyArray, FloatArray

FEATURES: dict[str, FeatureFunction] = {**TECHNICAL, **PRICE_VOLUME, **CROSS_SECTIONAL}


def cumulative_return_60(panel: Panel) -> FloatArray:
    """Return over 60 sessions."""
    return past_return(panel, 60)


def macd_signal_change_1(panel: Panel) -> AnyArray:
    """Change of macd_signal over 1 session."""
    return change(macd_signal, panel, 1)


# The 81 variables of S2: table 1 of the paper counts 6 of prices, 32 technical, 28 fundamental and 15 macro. Its 5 of
# news come on top. Prices enter as returns, because their levels say nothing across stocks.
S2_GROUPS: dict[str, tuple[str, ...]] = {
    "trend": ("ret_1", "ret_5", "ret_10", "ret_20", "cumulative_return_60", "volatility_20"),
    "pattern": ("price_position_20", "volume_position_20", "return_volume_fit_20"),
    "technical": (
        "sma_5_ratio",
        "sma_20_ratio",
        "sma_60_ratio",
        "wma_20_ratio",
        "ema_10_ratio",
        "ema_50_ratio",
        "dema_20_ratio",
        "kama_10_ratio",
        "macd_diff",
        "macd_hist",
        "trix_15",
        "rsi_6",
        "cmo_14",
        "stoch_k",
        "stoch_d",
        "willr_14",
        "cci_14",
        "ultosc",
        "adx_14",
        "plus_di_14",
        "minus_di_14",
        "natr_14",
        "aroon_up_25",
        "aroon_down_25",
        "bollinger_width",
        "mfi_14",
    ),
    "sentiment": ("rsi_14", "bollinger_position", "macd_signal_change_1"),
    **{group: tuple(f"rank_{item}" for item in items) for group, items in fundamental.GROUPS.items()},
    "macro": tuple(macro.MACRO_FEATURES),
    "news": tuple(macro.NEWS_FEATURES),
}
_PRICES = ("trend", "pattern", "technical", "sentiment")
_OF_PRICES = tuple(name for group in _PRICES for name in S2_GROUPS[group] if name != "volume_position_20")
_MORE: dict[str, FeatureFunction] = {
    function.__name__: function for function in (cumulative_return_60, macd_signal_change_1)
}
_PRICED = {**FEATURES, **_MORE}
LEAKY: dict[str, FeatureFunction] = {
    **levels.LEAKY_LEVELS,
    **wavelet.LEAKY_WAVELET,
    **macro.LEAKY_MACRO,
    **{f"leaky_interpolated_{name}": leaky_interpolated(_PRICED[name]) for name in _OF_PRICES},
    **{f"leaky_three_sigma_{name}": leaky_three_sigma(_PRICED[name]) for name in _OF_PRICES},
}
CATALOGUE: dict[str, FeatureFunction] = {
    **FEATURES,
    **_MORE,
    **RELATIVE,
    **levels.BARS,
    **levels.LEVELS,
    **levels.DATES,
    **wavelet.WAVELET,
    **fundamental.FUNDAMENTAL,
    **macro.MACRO_FEATURES,
    **macro.NEWS_FEATURES,
    **CLEANING,
    **LEAKY,
}
INPUTS: Mapping[str, Input] = {**fundamental.INPUTS, **macro.INPUTS, **levels.INPUTS, **wavelet.INPUTS}
# What a symbol may lack for a time; prices and volumes it always has.
OPTIONAL = frozenset((*fundamental.INPUTS, *macro.INPUTS))

_S2 = tuple(name for group in S2_GROUPS.values() for name in group)


def _s2_with(leak: str) -> tuple[str, ...]:
    """S2's variables, in the leaky form where there is one."""
    return tuple(f"{leak}_{name}" if f"{leak}_{name}" in LEAKY else name for name in _S2)


SETS: dict[str, tuple[str, ...]] = {
    "default": tuple(FEATURES),
    "s1": ("gap_1", "high_1", "low_1", "ret_1", "volume_surprise_1"),
    "s2": _S2,
    "s3": ("level_open", "level_close", *levels.DATES),
    "s4": tuple(RELATIVE),
    "s4_factors": ("pb", "pe", "ps", "log_float_value", "momentum_250_20"),
    "s5": tuple(levels.LEVELS),
    "s5_wavelet": tuple(wavelet.WAVELET),
    "leaky_s2_interpolated": _s2_with("leaky_interpolated"),
    "leaky_s2_three_sigma": _s2_with("leaky_three_sigma"),
    "leaky_s3_forward_adjusted": ("leaky_forward_adjusted_open", "leaky_forward_adjusted_close", *levels.DATES),
    "leaky_s5_forward_adjusted": (
        *(f"leaky_wavelet_forward_adjusted_{field}" for field in levels.FIELDS[:4]),
        "wavelet_level_volume",
        "wavelet_level_amount",
    ),
    "leaky_s5_wavelet": tuple(f"leaky_wavelet_level_{field}" for field in levels.FIELDS),
}


def default_set() -> FeatureSet:
    """The 80 features of prices and volumes that every market has."""
    return FeatureSet(FEATURES)


def feature_names(wanted: str | Iterable[str]) -> tuple[str, ...]:
    """The features that names stand for, in order, each once: names of features, of sets, or ``all`` (``default``).

    Raises ConfigError for an unknown name, with the nearest known one, and for a feature named twice.
    """
    entries = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    own = [name for name in entries if name in CATALOGUE]
    for name in own:
        if own.count(name) > 1:
            raise ConfigError(f"features: {name!r} is listed twice; name each feature once")
    return tuple(dict.fromkeys(name for entry in entries for name in _expand(entry)))


def feature_set(wanted: str | Iterable[str], panel: Panel) -> FeatureSet:
    """The features that ``wanted`` stands for and ``panel`` has the tables of.

    Raises ConfigError for an unknown name, MissingTableError for a feature asked for by its own name whose table or
    column is not there, and where nothing is left.
    """
    entries = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    names = feature_names(entries)
    absent = [name for name in names if not _met(name, panel)]
    asked = next((name for name in absent if name in entries), None)
    if asked is not None or len(absent) == len(names):
        name = asked or absent[0]
        raise MissingTableError(
            f"features: {name}: {panel.name} has no {INPUTS[name].place()}; add it (docs/data.md{_of_basics(name)}), "
            f"or leave the feature out"
        )
    chosen = [name for name in names if name not in absent]
    return FeatureSet({name: CATALOGUE[name] for name in chosen}, OPTIONAL)


def chosen_from(wanted: str | Iterable[str], features: FeatureSet) -> FeatureSet:
    """Those of ``features`` that ``wanted`` stands for, in its order: what one recipe of a run sees.

    Features of a set that the data cannot give are passed over; one asked for by its own name must be there.
    """
    entries = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    names = [name for name in feature_names(entries) if name in features.names or name in entries]
    return features.select(names)


def left_out(wanted: str | Sequence[str], panel: Panel) -> tuple[str, ...]:
    """One line a place that the panel does not have: which features of ``wanted`` are missing for want of it.

    For the log and the report's cautions: a reader must see that a system ran without part of its inputs.
    """
    places: dict[str, list[str]] = {}
    for name in feature_names(wanted):
        if not _met(name, panel):
            need = INPUTS[name]
            where = f"table {need.table!r}" if need.table else f"column {need.field!r} of the prices"
            there = need.table in panel.event_names
            places.setdefault(f"columns of {where}" if there else where, []).append(name)
    return tuple(_line(place, names) for place, names in places.items())


def _line(place: str, names: Sequence[str]) -> str:
    need = INPUTS[names[0]]
    items = ", ".join(dict.fromkeys(INPUTS[name].item for name in names))
    mend = f"name a file with the columns {items} under data.{need.table}" if need.table else f"add the column {items}"
    mend += _of_basics(names[0])
    return f"Features left out for want of {place}: {len(names)} ({', '.join(names)}); {mend}."


def _of_basics(name: str) -> str:
    """How the Chinese tables give what is a column of the prices."""
    return "; of the Chinese tables with data.basics: true" if INPUTS[name].field else ""


def _met(name: str, panel: Panel) -> bool:
    return name not in INPUTS or INPUTS[name].met(panel)


def _expand(entry: str) -> tuple[str, ...]:
    if entry in CATALOGUE:
        return (entry,)
    if entry == "all":
        return SETS["default"]
    if entry in SETS:
        return SETS[entry]
    near = get_close_matches(entry, [*SETS, *CATALOGUE], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"sets are {', '.join(SETS)}; docs/features.md lists the features"
    raise ConfigError(f"features: unknown feature {entry!r}; {hint}")
