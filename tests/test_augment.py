"""Augmentation, targets inside windows, and the contract of every network with everything switched on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nnstrategies.errors import ConfigError, FitError
from nnstrategies.models import MODELS
from nnstrategies.training import NetworkRecipe
from nnstrategies.training.augment import Augment, ShiftedExamples, shift_room, vary
from nnstrategies.training.batches import Windows
from nnstrategies.training.loop import Loop, LoopSettings
from nnstrategies.training.losses import NO_CLASS, LossSettings
from nnstrategies.training.scaler import Scaler
from nnstrategies.training.schedules import Optimiser, Schedule
from nnstrategies.training.sequences import SequenceExamples, target_table
from nnstrategies.training.targets import within_date
from tests.causality import replace_future
from tests.small_samples import LSTM, SMALL_CNN, SMALL_LSTM, market_samples, samples_of

ASOF = 352
CPU = torch.device("cpu")
SMALL_SETTINGS = {
    "lstm": SMALL_LSTM,
    "cnn_lstm": SMALL_CNN,
    "cnn_lstm_improved": {**SMALL_CNN, "channels_2": 8, "heads": 2},
    "cnn": {"channels_1": 4, "channels_2": 6, "hidden": 8},
    "lstm_dense": {"hidden": 8, "dense": 6},
    "cnn_selector": {"channels_1": 3, "channels_2": 4, "grid": 2, "hidden": 8, "dense": 6},
    "peephole_lstm": {"hidden": 6, "dense": 4},
    "forecast_lstm": {"hidden": 8},
    "mlp": {"days": 2},
    "segment_lstm": {"segment_days": 4},
    "sequence_lstm": {},
}


# -- noise, mixup, adversarial examples -------------------------------------------------------------------------------


def test_noise_has_its_standard_deviation_and_nothing_else_changes():
    torch.manual_seed(0)
    x, y = torch.zeros(200, 10, 5), torch.arange(200)
    batch = vary(Augment(noise=0.3), x, y)
    assert abs(float(batch.x.std()) - 0.3) < 0.01
    assert abs(float(batch.x.mean())) < 0.02
    assert batch.y is y
    assert batch.share == 1
    assert vary(Augment(), x, y).x is x


def test_mixup_mixes_windows_and_targets_by_one_share():
    torch.manual_seed(0)
    x, y = torch.randn(50, 4, 2), torch.arange(50)
    shares = []
    for _ in range(300):
        batch = vary(Augment(mixup=0.4), x, y)
        torch.testing.assert_close(batch.x, batch.share * x + (1 - batch.share) * x[batch.other])
        assert sorted(batch.other.tolist()) == list(range(50))
        shares.append(batch.share)
    assert abs(np.mean(shares) - 0.5) < 0.06
    assert abs(np.var(shares) - 1 / (4 * (2 * 0.4 + 1))) < 0.03  # of Beta(a, a)


def loop_of(network: nn.Module, **augment: float) -> Loop:
    settings = LoopSettings(1, 8, 0.01, 1.0, 1, 1e9, 0.0, False, Augment(**augment), optimiser=Optimiser("descent"))
    return Loop(network, settings, torch.Generator(), CPU, "test")


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(x.flatten(1))


def gradients(network: nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in network.parameters()])


def test_a_mixed_batch_has_the_mixed_loss():
    torch.manual_seed(0)
    network, x, y = Linear(), torch.randn(8, 3, 2), torch.tensor([0, 1] * 4)
    torch.manual_seed(5)
    batch = vary(Augment(mixup=1.0), x, y)
    target = batch.share * nn.functional.one_hot(batch.y, 2) + (1 - batch.share) * nn.functional.one_hot(batch.other, 2)
    expected = -(target * torch.log_softmax(network(batch.x), dim=1)).sum(dim=1).mean()
    torch.manual_seed(5)
    torch.testing.assert_close(loop_of(network, mixup=1.0).step(x, y), expected.detach())


def test_an_adversarial_step_learns_half_from_windows_moved_up_the_loss():
    torch.manual_seed(0)
    network, x, y = Linear(), torch.randn(8, 3, 2), torch.tensor([0, 1] * 4)
    start = x.clone().requires_grad_()
    clean = nn.functional.cross_entropy(network(start), y)
    (slope,) = torch.autograd.grad(clean, start, retain_graph=True)
    moved = nn.functional.cross_entropy(network(x + 0.1 * slope.sign()), y)
    assert moved > clean
    both = (clean + moved) / 2
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(both, list(network.parameters()))])
    loss = loop_of(network, fgsm=0.1).step(x, y)
    torch.testing.assert_close(loss, both.detach())
    torch.testing.assert_close(gradients(network), expected)


# -- time shift ------------------------------------------------------------------------------------------------------


def test_room_ends_at_the_first_earlier_window_that_is_not_usable():
    mask = np.ones((10, 2), dtype=bool)
    mask[4, 0] = False
    t, n = np.array([1, 5, 7, 9, 9]), np.array([1, 0, 0, 0, 1])
    assert shift_room(mask, t, n, 3).tolist() == [1, 0, 2, 3, 3]
    assert shift_room(mask, t, n, 3, step=1).tolist() == [3, 3, 2, 0, 0]  # nothing is later than the last row


def shifted_examples(most: int, later: int = 0) -> tuple[ShiftedExamples, np.ndarray, np.ndarray, np.ndarray, Scaler]:
    """Examples of the market whose targets are the numbers of their rows."""
    samples = market_samples()[1].upto(ASOF)
    t, n = samples.rows(300, 320, ASOF, stride=4)
    values = samples.features.values
    scaler = Scaler.fit(values[n, t])
    windows = Windows(values, int(t[0]) - most, int(t[-1]) + later, samples.window, scaler, CPU)
    room = shift_room(samples.mask, t, n, most)
    after = shift_room(samples.mask, t, n, later, step=1)
    return ShiftedExamples(windows, t, n, np.arange(len(t)), room, after), t, n, room, scaler


def test_a_shifted_window_is_one_that_ended_earlier_never_later():
    examples, t, n, room, scaler = shifted_examples(3)
    values = market_samples()[1].features.values
    seen = {0: 0, 1: 0, 2: 0, 3: 0}
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        for x, y in examples.shuffled(64, generator):
            for window, row in zip(x.numpy(), y.tolist(), strict=True):
                ends = [t[row] - back for back in range(4)]
                found = [np.array_equal(window, scaler(values[n[row], e - 7 : e + 1])) for e in ends]
                assert sum(found) == 1
                back = found.index(True)
                assert back <= room[row]
                seen[back] += 1
    assert min(seen.values()) > 0.15 * sum(seen.values())


def test_a_leaky_shift_is_a_window_that_ended_later_as_often_as_earlier():
    examples, t, n, _, scaler = shifted_examples(2, later=2)
    values, seen = market_samples()[1].features.values, dict.fromkeys(range(-2, 3), 0)
    generator = torch.Generator().manual_seed(0)
    for x, y in (batch for _ in range(4) for batch in examples.shuffled(64, generator)):
        for window, row in zip(x.numpy(), y.tolist(), strict=True):
            same = [np.array_equal(window, scaler(values[n[row], t[row] + by - 7 : t[row] + by + 1])) for by in seen]
            assert sum(same) == 1
            seen[same.index(True) - 2] += 1
    assert min(seen.values()) > 0.12 * sum(seen.values())


def test_shifts_are_new_in_every_epoch_and_absent_in_order():
    examples, t, n, _, scaler = shifted_examples(3)
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.cat([x for x, _ in examples.shuffled(64, generator)]).sum() for _ in range(2))
    assert first != second
    values = market_samples()[1].features.values
    x, _ = next(examples.in_order(4))
    assert np.array_equal(x[0].numpy(), scaler(values[n[0], t[0] - 7 : t[0] + 1]))


@pytest.mark.parametrize(
    "augment",
    [
        Augment(noise=0.5),
        Augment(mixup=1.0),
        Augment(time_shift=3),
        Augment(leaky_time_shift=3),
        Augment(fgsm=0.2),
    ],
    ids=str,
)
def test_each_augmentation_changes_the_fit_and_leaves_validation_alone(augment):
    samples = market_samples()[1]
    recipe = replace(LSTM, epochs=1, augment=augment)
    version = recipe.fit(samples, ASOF, seed=1)
    plain = replace(LSTM, epochs=1).fit(samples, ASOF, seed=1)
    assert any(not np.array_equal(version.arrays[key], plain.arrays[key]) for key in plain.arrays)
    t, n = samples.upto(ASOF).rows(ASOF - 39, ASOF, ASOF, stride=3)
    p = [version.predict(samples.features, samples.mask[i], i)[j, 1:] for i, j in zip(t, n, strict=True)]
    y = samples.labels.values[t, n].astype(int)
    assert version.metrics["valid_loss"] == pytest.approx(-np.log(np.array(p)[np.arange(len(y)), y]).mean(), rel=1e-4)


def test_settings_that_cannot_be_are_refused():
    for key in ("noise", "mixup", "time_shift", "leaky_time_shift", "fgsm"):
        with pytest.raises(ConfigError, match=f"augment: {key}: expected 0 or more, got -1"):
            Augment(**{key: -1})
    with pytest.raises(ConfigError, match="time_shift: model sequence_lstm has a target at each of its days"):
        NetworkRecipe(model="sequence_lstm", augment=Augment(time_shift=1))


# -- targets inside the window ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["buy_hold_sell", "return"])
def test_step_targets_are_the_labels_known_in_time_and_no_others(kind):
    known = market_samples(kind)[1].upto(ASOF)
    known_by = ASOF - 50
    table = target_table(known, 280, ASOF - 30, known_by, "percent")
    labels = known.labels
    for t in range(280, ASOF - 29):
        for n in range(known.N):
            found, end = table[n, t - 280], labels.end[t, n]
            if 0 <= end <= known_by:
                scale = 1 if labels.n_classes else np.float32(100)
                assert found == np.float32(labels.values[t, n] * scale)
            else:
                assert found == NO_CLASS if labels.n_classes else np.isnan(found)
    present = table != NO_CLASS if labels.n_classes else np.isfinite(table)
    assert present[:, : known_by - 280 - 10].mean() > 0.9
    assert not present[:, known_by - 280 :].any()


def test_step_targets_within_a_date_compare_the_usable_samples():
    known = market_samples("return")[1].upto(ASOF)
    table = target_table(known, 300, 310, ASOF, "standardised")
    t, n = known.rows(300, 310, ASOF)
    np.testing.assert_array_equal(table[n, t - 300], within_date(known.labels.values[t, n], t, "standardised"))
    assert np.isfinite(table).sum() == len(t)


def test_sequence_examples_give_each_window_its_own_targets():
    known = market_samples("return")[1].upto(ASOF)
    t, n = known.rows(300, 320, ASOF, stride=5)
    windows = Windows(known.features.values, int(t[0]), int(t[-1]), 8, Scaler.fit(known.features.values[n, t]), CPU)
    begin = int(t[0]) - 7
    table = target_table(known, begin, int(t[-1]), ASOF, "percent")
    examples = SequenceExamples(windows, t, n, table, [3, 7])
    found = torch.cat([y for _, y in examples.shuffled(16, torch.Generator().manual_seed(0))]).numpy()
    order = torch.randperm(len(t), generator=torch.Generator().manual_seed(0)).numpy()
    expected = np.stack([known.labels.values[t - 4, n], known.labels.values[t, n]], axis=1)[order] * np.float32(100)
    np.testing.assert_array_equal(found, expected)


def test_a_percent_target_forecasts_the_return_itself():
    """One symbol has nothing to compare with: within its date its target would be 0."""
    _, samples = market_samples("return")
    recipe = NetworkRecipe(
        "bp", "mlp", epochs=30, patience=30, lr=0.01, target="percent", valid_days=40, stride_days=3, device="cpu"
    )
    version = recipe.fit(samples, ASOF, seed=1)
    assert version.units == ("return in per cent",)
    t, n = samples.upto(ASOF).rows(270, 300, ASOF)
    actual = 100 * samples.labels.values[t, n].astype(float)
    found = [version.predict(samples.features, samples.mask[i], i)[j, 0] for i, j in zip(t, n, strict=True)]
    assert np.mean((actual - found) ** 2) < np.mean(actual**2)
    assert 0.02 < np.std(found) / np.std(actual) < 1


# -- the contract, for every network -----------------------------------------------------------------------------------


def everything_on(name: str, kind: str) -> NetworkRecipe:
    """Two epochs with all that a network can be trained with."""
    sequence = hasattr(MODELS[name], "target_steps")
    return NetworkRecipe(
        name,
        name,
        SMALL_SETTINGS[name],
        epochs=2,
        batch=96,
        lr=0.01,
        stride_days=5,
        valid_days=40,
        weight_decay=0.01,
        target="percent" if sequence else "standardised",
        device="cpu",
        init="normal" if name in ("cnn_selector", "peephole_lstm") else "xavier",
        loss=LossSettings(0.1, "balanced") if kind != "return" else LossSettings(),
        augment=Augment(noise=0.1, mixup=0.3, time_shift=0 if sequence else 2, fgsm=0.05),
        schedule=Schedule("cosine"),
    )


def bytes_of(version) -> dict[str, bytes]:
    return {key: np.ascontiguousarray(value).tobytes() for key, value in version.arrays.items()}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["buy_hold_sell", "return"])
def test_noise_after_asof_changes_no_byte_and_the_same_fit_twice_is_the_same(name, kind):
    panel, samples = market_samples(kind)
    noisy = samples_of(replace_future(panel, ASOF, np.random.default_rng(11)), kind)
    cut = samples_of(panel.upto(ASOF), kind)
    recipe = everything_on(name, kind)
    version = recipe.fit(samples, ASOF, seed=1)
    for other in (recipe.fit(s, ASOF, seed=1) for s in (noisy, cut)):
        assert other.id == version.id
        assert bytes_of(other) == bytes_of(version)
    assert recipe.fit(samples, ASOF, seed=2).id != version.id
    scores = version.predict(samples.features, samples.mask[ASOF], ASOF)
    assert np.isfinite(scores[samples.mask[ASOF]]).all()
    assert np.std(scores[samples.mask[ASOF], 0]) > 0


@pytest.mark.parametrize("name", ["sequence_lstm", "segment_lstm", "mlp"])
def test_training_labels_known_by_the_purge_matter_and_later_ones_do_not(name):
    """Changed labels of the embargo and of later dates leave the weights of a fit without early stop alone.

    Among them labels of training dates whose exit came late: steps of windows that themselves are trained on.
    """
    samples = market_samples("return")[1]
    end = samples.labels.end.copy()
    delayed = np.s_[ASOF - 60 : ASOF - 50, :10]
    end[delayed] = np.where(end[delayed] >= 0, ASOF - 5, -1)
    samples = replace(samples, labels=replace(samples.labels, end=end))
    recipe = replace(everything_on(name, "return"), valid_days=0, embargo_days=30, stride_days=1, epochs=1)
    version = recipe.fit(samples, ASOF, seed=1)

    def changed(rows: np.ndarray):
        values, returns = samples.labels.values.copy(), samples.labels.returns.copy()
        values[rows] *= -3
        returns[rows] *= -3
        return replace(samples, labels=replace(samples.labels, values=values, returns=returns))

    late = (samples.labels.end > ASOF - 30) & (np.arange(samples.T) <= ASOF)[:, None]
    assert late.sum() > 500
    assert bytes_of(recipe.fit(changed(late), ASOF, seed=1)) == bytes_of(version)
    early = samples.labels.end == ASOF - 30
    assert bytes_of(recipe.fit(changed(early), ASOF, seed=1)) != bytes_of(version)


@pytest.mark.parametrize("name", MODELS)
def test_what_cannot_be_fitted_says_so_and_how_to_mend_it(name):
    samples = market_samples()[1]
    recipe = everything_on(name, "buy_hold_sell")
    one = np.where(np.isfinite(samples.labels.values), np.float32(1), np.nan).astype(np.float32)
    with pytest.raises(FitError, match=r"are class 1; expected at least two of 3 classes; change the label's thresh"):
        recipe.fit(replace(samples, labels=replace(samples.labels, values=one)), ASOF, seed=0)
    with pytest.raises(FitError, match="expected at least one window of 8 sessions, got 6; refit later or shorten"):
        replace(recipe, valid_days=0).fit(samples, 5, seed=0)
