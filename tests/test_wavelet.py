"""Wavelet denoising: causal by window, level-free, and less noisy than what it was given."""

from __future__ import annotations

import builtins
import sys

import numpy as np
import pytest
from causality import same_bytes
from input_panel import input_panel

pytest.importorskip("pywt", reason="needs the extra 'wavelet'")

from nnstrategies.errors import ConfigError
from nnstrategies.features import CATALOGUE, feature_set
from nnstrategies.features.wavelet import WINDOW_DAYS, denoise, denoise_causally


def noisy_line(length: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    truth = 10 + np.sin(np.arange(length) / 40)
    return truth, truth + np.random.default_rng(seed).normal(0, 0.1, length)


def test_each_value_is_the_last_of_its_denoised_window() -> None:
    _, x = noisy_line(300)
    got = denoise_causally(x)
    assert np.isnan(got[: WINDOW_DAYS - 1]).all()
    for t in (WINDOW_DAYS - 1, 200, 299):
        assert got[t] == denoise(x[t - WINDOW_DAYS + 1 : t + 1])[-1]


def test_no_byte_depends_on_what_comes_later_or_on_how_much_is_denoised_together() -> None:
    _, x = noisy_line(3000)
    whole = denoise_causally(x)
    for t in (WINDOW_DAYS, 1024 + WINDOW_DAYS - 1, 2500):
        assert same_bytes(denoise_causally(x[: t + 1]), whole[: t + 1])
        other = x.copy()
        other[t + 1 :] = np.nan
        assert same_bytes(denoise_causally(other)[: t + 1], whole[: t + 1])


def test_noise_shrinks_and_the_whole_series_variant_shrinks_it_more() -> None:
    truth, x = noisy_line(2000)
    late = slice(WINDOW_DAYS, None)
    errors = [np.sqrt(np.mean((y - truth)[late] ** 2)) for y in (x, denoise_causally(x), denoise(x))]
    assert errors[0] > 1.3 * errors[1]
    assert errors[1] > errors[2]  # the gain that looks like skill and is a look at the future


def test_line_without_noise_and_odd_lengths_come_back() -> None:
    flat = np.full(301, 7.0)
    np.testing.assert_allclose(denoise(flat), flat)
    assert denoise(noisy_line(301)[1]).shape == (301,)
    assert np.isnan(denoise_causally(np.ones(WINDOW_DAYS - 1))).all()


def test_window_with_a_hole_gives_nothing_and_later_ones_do() -> None:
    _, x = noisy_line(400)
    x[150] = np.nan
    got = denoise_causally(x)
    assert np.isfinite(got[149])
    assert np.isnan(got[150 : 150 + WINDOW_DAYS]).all()
    assert np.isfinite(got[150 + WINDOW_DAYS :]).all()


def test_denoised_level_is_near_the_level_and_smoother() -> None:
    panel = input_panel()
    n = int(np.flatnonzero(panel.listed.all(axis=0))[0])
    plain, smooth = CATALOGUE["level_close"](panel)[260:, n], CATALOGUE["wavelet_level_close"](panel)[260:, n]
    assert np.std(np.diff(smooth)) < np.std(np.diff(plain))
    assert np.corrcoef(plain, smooth)[0, 1] > 0.95


def test_without_pywavelets_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name == "pywt":
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, "pywt")
    monkeypatch.setattr(builtins, "__import__", refuse)
    panel = input_panel(sessions=200)
    with pytest.raises(ConfigError, match=r"install nnstrategies\[wavelet\]"):
        feature_set("s5_wavelet", panel)(panel)
