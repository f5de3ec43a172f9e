"""Which factors are kept, in which direction, the strongest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnstrategies.errors import ConfigError, FitError
from nnstrategies.factors.factor_ics import FactorICs
from nnstrategies.typing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Screen:
    """What a screen decided about F factors.

    passed: [F] within all limits. strength: [F] mean over horizons of |IC_IR|, NaN where a horizon has none.
    chosen: [K] positions of the kept factors, strongest first; more than passed only where ``least_factors`` asked.
    direction: [K] +1 where more is better, -1 where less is.
    """

    names: tuple[str, ...]
    passed: BoolArray
    strength: FloatArray
    chosen: IntArray
    direction: FloatArray

    @property
    def chosen_names(self) -> tuple[str, ...]:
        return tuple(self.names[f] for f in self.chosen)


def screen(ics: FactorICs, least_ic: float = 0.02, least_ic_ir: float = 0.6, least_factors: int = 1) -> Screen:
    """Keep factors with |mean IC| > least_ic and |IC_IR| > least_ic_ir, of one sign, at every horizon.

    The limits are those of Wu and Tang (2021, section 3.2), who do not say how the horizons are joined: every one must
    agree here. Where fewer than ``least_factors`` pass, the strongest of the others fill up; 0 forbids that, and
    FitError then names the best. The ICs must come from training rows: the screen itself cannot know.
    """
    if not (0 <= least_ic < 1 and least_ic_ir >= 0 and least_factors >= 0):
        raise ConfigError(
            f"factors: screen: expected 0 <= least_ic < 1, least_ic_ir >= 0 and least_factors >= 0, "
            f"got {least_ic}, {least_ic_ir} and {least_factors}"
        )
    mean, ratio = ics.mean, ics.ic_ir  # [H, F]
    known = np.isfinite(ratio).all(axis=0)
    agree = (np.sign(mean) == np.sign(mean[:1])).all(axis=0)
    above = ((np.abs(mean) > least_ic) & (np.abs(ratio) > least_ic_ir)).all(axis=0)
    passed = known & agree & above
    strength = np.where(known, np.abs(ratio).mean(axis=0), np.nan)
    order = np.argsort(-strength, kind="stable")[: int(known.sum())]  # NaN last, cut off
    chosen = order[passed[order]]
    if len(chosen) < least_factors:
        chosen = np.concatenate([chosen, order[~passed[order]]])[:least_factors]
    if len(chosen) == 0:
        raise FitError(_nothing_left(ics, order, least_ic, least_ic_ir))
    direction = np.where(ratio[:, chosen].mean(axis=0) < 0, -1.0, 1.0)
    return Screen(ics.names, passed, strength, chosen, direction)


def _nothing_left(ics: FactorICs, order: IntArray, least_ic: float, least_ic_ir: float) -> str:
    if len(order) == 0:
        return (
            f"factor screen: none of {len(ics.names)} factors has an IC that varies over {len(ics.rows)} dates at "
            f"horizons {ics.horizons_days}; begin the data earlier or use more symbols"
        )
    best = int(order[0])
    at = ", ".join(
        f"{days} sessions: {mean:+.3f}, {ratio:+.2f}"
        for days, mean, ratio in zip(ics.horizons_days, ics.mean[:, best], ics.ic_ir[:, best], strict=True)
    )
    return (
        f"factor screen: none of {len(ics.names)} factors has |mean IC| > {least_ic} and |IC_IR| > {least_ic_ir} of "
        f"one sign at every horizon; the strongest is {ics.names[best]} ({at}); lower the limits or set least_factors"
    )
