"""The loop, its seams, and what a fit does when something is wrong."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

from nnstrategies.errors import ConfigError, FitError, RegistryError
from nnstrategies.training import NetworkRecipe, ProgressBar, RidgeRecipe, Tick
from nnstrategies.training.batches import Examples, Windows
from nnstrategies.training.device import one_thread, reproducible, resolve_device
from nnstrategies.training.scaler import Scaler
from nnstrategies.training.targets import within_date
from nnstrategies.training.trees import export_trees, walk_trees
from tests.small_samples import CNN_LSTM, LSTM, market_samples

CPU = torch.device("cpu")
ASOF = 370


class KilledError(Exception):
    pass


class KillAt:
    """Progress that ends the fit in this epoch: at its first report, or at its last, before the checkpoint."""

    def __init__(self, epoch: int, at_end: bool) -> None:
        self.epoch = epoch
        self.at_end = at_end

    def __call__(self, tick):
        at_end = tick.done * tick.epochs == pytest.approx(tick.epoch)
        if tick.epoch == self.epoch and at_end == self.at_end:
            raise KilledError


def relabelled(samples, values):
    labels = replace(samples.labels, values=np.asarray(values, dtype=np.float32))
    return replace(samples, labels=labels)


# -- resume ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [LSTM, CNN_LSTM], ids=["lstm", "cnn_lstm"])
@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("at_end", [False, True], ids=["inside", "between"])
def test_a_killed_fit_resumes_to_the_same_bytes(tmp_path, recipe, epoch, at_end):
    samples = market_samples()[1]
    whole = recipe.fit(samples, ASOF, seed=3)
    stored = replace(recipe, checkpoints=str(tmp_path))
    with pytest.raises(KilledError):
        stored.fit(samples, ASOF, seed=3, progress=KillAt(epoch, at_end))
    resumed = stored.fit(samples, ASOF, seed=3)
    assert resumed.id == whole.id
    for key, value in whole.arrays.items():
        assert resumed.arrays[key].tobytes() == value.tobytes(), key


def test_an_early_stop_says_that_the_fit_is_done():
    ticks = []
    recipe = replace(LSTM, epochs=40, patience=1)
    version = recipe.fit(market_samples()[1], ASOF, seed=3, progress=ticks.append)
    assert version.metrics["epochs"] < 40
    assert ticks[-1].done == 1.0
    assert sum(tick.done == 1.0 for tick in ticks) == 1


def test_a_finished_fit_is_not_trained_again(tmp_path):
    samples = market_samples()[1]
    stored = replace(LSTM, checkpoints=str(tmp_path))
    first = stored.fit(samples, ASOF, seed=3)
    ticks = []
    assert stored.fit(samples, ASOF, seed=3, progress=ticks.append).id == first.id
    assert ticks == []


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path):
    samples = market_samples()[1]
    replace(LSTM, checkpoints=str(tmp_path)).fit(samples, ASOF, seed=3)
    other = replace(LSTM, settings={"hidden": 9, "layers": 2}, checkpoints=str(tmp_path))
    with pytest.raises(RegistryError, match=r"belongs to another fit: .*config\.settings\.hidden is \d+, expected 9,"):
        other.fit(samples, ASOF, seed=3)


def test_a_checkpoint_of_other_features_is_refused(tmp_path):
    samples = market_samples()[1]
    stored = replace(LSTM, checkpoints=str(tmp_path))
    stored.fit(samples, ASOF, seed=3)
    other = replace(samples, features=replace(samples.features, set_hash="another"))
    with pytest.raises(RegistryError, match=r"features\.hash is"):
        stored.fit(other, ASOF, seed=3)


def test_half_a_checkpoint_is_refused(tmp_path):
    samples = market_samples()[1]
    stored = replace(LSTM, checkpoints=str(tmp_path))
    stored.fit(samples, ASOF, seed=3)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RegistryError, match="not readable"):
        stored.fit(samples, ASOF, seed=3)


# -- errors ----------------------------------------------------------------------------------------------------------


def test_too_few_sessions_for_a_window_say_so():
    samples = market_samples()[1]
    with pytest.raises(FitError, match="expected at least one window of 8 sessions, got 6"):
        RidgeRecipe().fit(samples, 5, seed=0)


def test_no_training_rows_say_so():
    samples = market_samples()[1]
    with pytest.raises(FitError, match="no training rows"):
        RidgeRecipe().fit(samples, 200, seed=0)  # momentum_250_20 has no value yet


def test_no_validation_rows_say_so():
    samples = market_samples()[1]
    with pytest.raises(FitError, match="no validation rows"):
        replace(LSTM, valid_days=3).fit(samples, ASOF, seed=0)  # no label of the last 3 days is known


def test_one_class_only_says_so():
    samples = market_samples()[1]
    one = relabelled(samples, np.where(np.isfinite(samples.labels.values), 1.0, np.nan))
    with pytest.raises(FitError, match="are class 1; expected at least two of 3 classes"):
        LSTM.fit(one, ASOF, seed=0)


def test_a_loss_that_is_not_finite_names_the_epoch():
    samples = market_samples("return")[1]
    broken = relabelled(samples, samples.labels.values)
    features = broken.features.values.copy()
    with pytest.raises(FitError, match="epoch 1: loss is not finite"):
        replace(LSTM, lr=1e30, weight_decay=1e30).fit(broken, ASOF, seed=0)
    assert np.array_equal(features, broken.features.values, equal_nan=True)


def test_settings_are_checked_when_made():
    with pytest.raises(ConfigError, match="did you mean 'hidden'"):
        NetworkRecipe(model="lstm", settings={"hiden": 4})
    with pytest.raises(ConfigError, match="epochs: expected at least 1, got 0"):
        NetworkRecipe(epochs=0)
    with pytest.raises(ConfigError, match="expected auto, cpu or cuda"):
        resolve_device("gpu")


def test_a_window_too_short_for_the_model_says_so():
    with pytest.raises(FitError, match="needs windows of 4 sessions, got 3"):
        CNN_LSTM.fit(market_samples(window=3)[1], ASOF, seed=0)


# -- the loop --------------------------------------------------------------------------------------------------------


def test_early_stop_keeps_the_weights_of_the_best_epoch():
    samples = market_samples()[1]
    version = replace(LSTM, epochs=40, patience=2, lr=0.05).fit(samples, ASOF, seed=1)
    history = version.manifest["history"]
    best = min(history, key=lambda row: row[2])[0]
    assert version.metrics["best_epoch"] == best
    assert len(history) == best + 2 < 40
    short = replace(LSTM, epochs=best, patience=2, lr=0.05).fit(samples, ASOF, seed=1)
    assert all(np.array_equal(short.arrays[key], value) for key, value in version.arrays.items())


@pytest.mark.parametrize("kind", ["buy_hold_sell", "return"])
def test_without_validation_days_all_epochs_are_trained(kind):
    version = replace(LSTM, valid_days=0).fit(market_samples(kind)[1], ASOF, seed=1)
    assert version.metrics == {
        "epochs": 3,
        "best_epoch": 3,
        "train_loss": version.metrics["train_loss"],
        "valid_loss": None,
    }


def test_a_fit_leaves_torch_as_it_found_it():
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    LSTM.fit(market_samples()[1], ASOF, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_seeds_and_dates_give_different_models():
    samples = market_samples()[1]
    ids = {LSTM.fit(samples, asof, seed).id for asof, seed in ((ASOF, 1), (ASOF, 2), (ASOF - 1, 1))}
    assert len(ids) == 3


def test_progress_reports_loss_and_time_left():
    ticks = []
    LSTM.fit(market_samples()[1], ASOF, seed=1, progress=ticks.append)
    assert [tick.done for tick in ticks] == sorted(tick.done for tick in ticks)
    assert ticks[-1].done == 1.0
    assert ticks[-1].seconds_left == 0.0
    assert ticks[0].valid is None
    assert ticks[-1].valid is not None
    assert all(np.isfinite(tick.loss) for tick in ticks)


def test_the_progress_bar_shows_loss(capsys):
    from rich.console import Console

    with ProgressBar(Console(width=120)) as bar:
        LSTM.fit(market_samples()[1], ASOF, seed=1, progress=bar)
    shown = capsys.readouterr().out
    assert "lstm seed 1" in shown
    assert "epoch 3/3 loss" in shown


def test_a_finished_recipes_lines_stay_and_its_late_reports_change_nothing(capsys):
    from rich.console import Console

    def tick(recipe: str, done: float) -> Tick:
        return Tick(recipe, 1, dt.date(2020, 1, 2), 3, 4, done, 0.25, None, 1.0)

    with ProgressBar(Console(width=120)) as bar:
        bar(tick("first", 0.9))
        bar(tick("second", 0.4))
        bar.settle("first")
        bar(tick("first", 0.95))
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [line[0] for line in lines] == ["first", "second"]
    assert ["100%" in lines[0], "40%" in lines[1]] == [True, True]


# -- parts -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 6), st.integers(0, 10), st.integers(0, 2**31))
def test_gathered_windows_equal_slices(window, first, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(4, 30, 3)).astype(np.float32)
    scaler = Scaler.fit(values.reshape(-1, 3))
    first = max(first, window - 1)
    t, n = np.sort(rng.integers(first, 25, 9)), rng.integers(0, 4, 9)
    windows = Windows(values, first, 25, window, scaler, CPU)
    x, y = next(Examples(windows, t, n, np.arange(9.0)).in_order(16))
    expected = np.stack([scaler(values[j, i - window + 1 : i + 1]) for i, j in zip(t, n, strict=True)])
    assert np.array_equal(x.numpy(), expected)
    assert np.array_equal(y.numpy(), np.arange(9.0))


def test_the_scaler_standardises_clips_and_turns_nan_into_the_mean():
    rng = np.random.default_rng(0)
    train = np.column_stack([rng.normal(3, 2, 5000), np.full(5000, 7.0)]).astype(np.float32)
    scaler = Scaler.fit(train)
    scaled = scaler(train)
    assert abs(scaled[:, 0].mean()) < 1e-3
    assert abs(scaled[:, 0].std() - 1) < 1e-2
    assert not scaled[:, 1].any()
    odd = scaler(np.array([[1e9, 7.0], [np.nan, -np.inf]], dtype=np.float32))
    assert odd.tolist() == [[5.0, 0.0], [0.0, -5.0]]


@given(hnp.arrays(np.float64, st.integers(2, 12), elements=st.floats(-1, 1, width=16)))
def test_targets_have_mean_zero_within_each_date(values):
    t = np.repeat([3, 8], [len(values), 4])
    both = np.r_[values, [1.0, 2.0, 3.0, 4.0]]
    for how in ("rank", "standardised"):
        out = within_date(both, t, how)
        assert abs(out[: len(values)].mean()) < 1e-5
        assert abs(out[len(values) :].mean()) < 1e-6
        assert (np.diff(out[len(values) :]) > 0).all()


def test_ridge_equals_scikit_learns():
    samples = market_samples("return")[1]
    recipe = RidgeRecipe(penalty=0.1)
    version = recipe.fit(samples, ASOF, seed=0)
    t, n = samples.upto(ASOF).rows(0, ASOF, ASOF)
    x = version.scaler(samples.features.values[n, t])
    y = within_date(samples.labels.returns[t, n], t, "rank")
    expected = Ridge(alpha=0.1 * len(x), fit_intercept=False).fit(x.astype(np.float64), y).coef_
    np.testing.assert_allclose(version.arrays["coefficients"], expected, rtol=1e-6, atol=1e-9)


def test_exported_trees_predict_what_scikit_learn_predicts_to_the_last_bit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 5))
    x[rng.random(x.shape) < 0.05] = np.nan
    y = np.nan_to_num(x[:, 0] * x[:, 1]) + rng.normal(size=800)
    model = HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=9, min_samples_leaf=5).fit(x, y)
    fresh = rng.normal(size=(200, 5))
    fresh[rng.random(fresh.shape) < 0.05] = np.nan
    for rows in (x, fresh, fresh[:1]):
        assert np.array_equal(walk_trees(export_trees(model), rows), model.predict(rows))


def test_one_thread_and_reproducible_restore_after_an_error():
    threads = torch.get_num_threads()
    with pytest.raises(KilledError), one_thread(), reproducible(1, CPU):
        raise KilledError
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("amp", [False, True])
def test_a_gpu_trains_and_predicts_about_what_the_cpu_does(amp):
    samples = market_samples()[1]
    gpu = replace(LSTM, device="cuda", amp=amp).fit(samples, ASOF, seed=1)
    cpu = LSTM.fit(samples, ASOF, seed=1)
    t = ASOF + 1
    mask = samples.mask[t]
    moved = replace(gpu, device="cpu")
    np.testing.assert_allclose(
        gpu.predict(samples.features, mask, t), moved.predict(samples.features, mask, t), atol=1e-3
    )
    assert abs(gpu.metrics["valid_loss"] - cpu.metrics["valid_loss"]) < 0.05


# -- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["whole", "earlier days", "some symbols", "one symbol", "reordered"])
def test_windows_are_read_from_the_features_themselves_and_scaled_in_the_batch(cut):
    whole = market_samples()[1].features.values
    values = {
        "whole": whole,
        "earlier days": whole[:, :390],
        "some symbols": whole[np.array([1, 4, 6])],
        "one symbol": whole[3:4],
        "reordered": np.asfortranarray(whole),
    }[cut]
    scaler = Scaler.fit(whole[:5, 300])
    windows = Windows(values, 310, 380, 8, scaler, torch.device("cpu"))
    t, n = np.array([310, 350, 380]), np.array([0, len(values) - 1, len(values) // 2])
    found = windows.gather(windows.starts(t, n)).numpy()
    expected = np.stack([scaler(values[b, a - 7 : a + 1]) for a, b in zip(t, n, strict=True)])
    assert found.tobytes() == expected.tobytes()
    shared = np.shares_memory(windows._flat.numpy(), values)
    assert shared == (cut != "reordered")
