"""Losses, schedules, optimisers: their formulas, their refusals, and that defaults change no byte of a fit."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from nnstrategies.config import parse, to_tree
from nnstrategies.errors import ConfigError, FitError
from nnstrategies.models import MODELS, build_model
from nnstrategies.splits import trailing_split
from nnstrategies.training import NetworkRecipe
from nnstrategies.training.augment import Augment
from nnstrategies.training.batches import Examples, Windows
from nnstrategies.training.device import reproducible
from nnstrategies.training.losses import NO_CLASS, LossSettings, Objective, class_weights, loss_of, objective
from nnstrategies.training.network import _seed_of
from nnstrategies.training.scaler import Scaler
from nnstrategies.training.schedules import Optimiser, Schedule
from nnstrategies.training.targets import targets_of
from tests.small_samples import CNN_LSTM, LSTM, market_samples

ASOF = 352
CPU = torch.device("cpu")


def sha(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


# -- defaults leave fits as they were ---------------------------------------------------------------------------------


def plain_fit(recipe: NetworkRecipe, kind: str, seed: int) -> dict[str, np.ndarray]:
    """The loop as it was before there were settings, written out: Adam, clipping, plain loss, best epoch."""
    known = market_samples(kind)[1].upto(ASOF)
    split = trailing_split(known.T, ASOF, recipe.train_days, recipe.valid_days)
    train, valid = (known.rows(*rows, stride=recipe.stride_days) for rows in (split.train, split.valid))
    scaler = Scaler.fit(known.features.values[train[1], train[0]])
    sets = []
    for t, n in (train, valid):
        windows = Windows(known.features.values, int(t[0]), int(t[-1]), known.window, scaler, CPU)
        sets.append(Examples(windows, t, n, targets_of(known, (t, n), recipe.target)))
    with reproducible(_seed_of(recipe.name, seed, ASOF), CPU):
        network = build_model(recipe.model, 5, known.labels.n_classes or 1, recipe.settings)
        optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
        order, best, weights = torch.Generator().manual_seed(_seed_of(recipe.name, seed, known.T)), math.inf, {}
        for epoch in range(recipe.epochs):
            network.train()
            optimiser.param_groups[0]["lr"] = recipe.lr * recipe.lr_decay**epoch
            for x, y in sets[0].shuffled(recipe.batch, order):
                head = network(x)
                loss = (
                    nn.functional.cross_entropy(head, y) if known.labels.n_classes else ((head[:, 0] - y) ** 2).mean()
                )
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
                optimiser.step()
            network.eval()
            with torch.no_grad():
                total = sum(float(loss_of(network(x), y)) * len(y) for x, y in sets[1].in_order(1024))
            if total < best:
                best, weights = total, {key: value.clone() for key, value in network.state_dict().items()}
    return {key: value.numpy() for key, value in weights.items()}


@pytest.mark.parametrize("recipe", [LSTM, CNN_LSTM], ids=["lstm", "cnn_lstm"])
@pytest.mark.parametrize("kind", ["buy_hold_sell", "return"])
def test_the_loop_with_default_settings_is_the_plain_loop(recipe, kind):
    recipe = replace(recipe, lr_decay=0.9, weight_decay=0.01)
    expected = plain_fit(recipe, kind, seed=1)
    for key, value in recipe.fit(market_samples(kind)[1], ASOF, seed=1).arrays.items():
        assert value.tobytes() == expected[key].tobytes(), key


def test_normal_weights_are_what_a_fit_starts_from():
    samples = market_samples()[1]
    barely = replace(LSTM, epochs=1, lr=1e-9, settings={"hidden": 24, "layers": 2})
    for init, low, high in (("normal", 0.95, 1.05), ("xavier", 0.0, 0.3)):
        weight = replace(barely, init=init).fit(samples, ASOF, seed=1).arrays["lstm.weight_hh_l0"]
        assert low < weight.std() < high


# -- losses ----------------------------------------------------------------------------------------------------------


def test_cross_entropy_and_squared_error_are_the_textbooks():
    torch.manual_seed(0)
    for classes in (2, 3):
        head, y = torch.randn(6, classes), torch.tensor([0, 1, 1, 0, classes - 1, 0])
        p = torch.softmax(head, dim=1)
        expected = -torch.log(p[torch.arange(6), y]).mean()
        torch.testing.assert_close(Objective()(head, y), expected)
    head, y = torch.randn(6, 1), torch.randn(6)
    torch.testing.assert_close(Objective()(head, y), ((head[:, 0] - y) ** 2).mean())


def test_label_smoothing_spreads_its_share_over_all_classes():
    torch.manual_seed(0)
    head, y = torch.randn(5, 3), torch.tensor([0, 1, 2, 2, 0])
    target = torch.full((5, 3), 0.1 / 3)
    target[torch.arange(5), y] += 0.9
    expected = -(target * torch.log_softmax(head, dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(Objective(label_smoothing=0.1)(head, y), expected)


def test_class_weights_weigh_samples_by_their_class():
    torch.manual_seed(0)
    head, y = torch.randn(4, 2), torch.tensor([0, 0, 0, 1])
    given = class_weights(LossSettings(class_weights=(1.0, 3.0)), y, 2, "fit")
    loss = -torch.log_softmax(head, dim=1)[torch.arange(4), y]
    torch.testing.assert_close(Objective(weights=given)(head, y), (loss * torch.tensor([1, 1, 1, 3])).sum() / 6)
    balanced = class_weights(LossSettings(class_weights="balanced"), y, 2, "fit")
    torch.testing.assert_close(balanced, torch.tensor([4 / 6, 4 / 2]))  # both classes weigh the same together
    assert class_weights(LossSettings(), y, 2, "fit") is None
    absent = class_weights(LossSettings(class_weights="balanced"), y, 3, "fit")
    assert absent[2] == 0
    assert torch.isfinite(absent).all()


def test_steps_without_a_known_target_count_nothing():
    torch.manual_seed(0)
    head = torch.randn(3, 4, 2)  # [B, K, O]
    y = torch.tensor([[0, NO_CLASS, 1, 1], [NO_CLASS, NO_CLASS, 0, 1], [1, 1, 1, 0]])
    known = y != NO_CLASS
    torch.testing.assert_close(Objective()(head, y), nn.functional.cross_entropy(head[known], y[known]))
    values = torch.randn(3, 4).masked_fill(~known, math.nan)
    expected = ((head[..., 0] - values)[known] ** 2).mean()
    torch.testing.assert_close(Objective()(head[..., :1], values), expected)


@pytest.mark.parametrize("weights", [(1.0, 2.0), "balanced"])
def test_losses_that_do_not_fit_the_labels_are_refused(weights):
    settings = LossSettings(class_weights=weights)
    with pytest.raises(FitError, match=r"need class labels, got a return label; leave them out"):
        objective(settings, torch.zeros(3), 0, "lstm")
    if weights != "balanced":
        with pytest.raises(FitError, match="class_weights: expected 3 numbers, one a class, got 2; give one"):
            replace(LSTM, loss=settings).fit(market_samples()[1], ASOF, seed=1)


def test_smoothing_and_weights_change_training_but_not_how_validation_is_measured():
    samples = market_samples()[1]
    plain = replace(LSTM, epochs=1).fit(samples, ASOF, seed=1)
    for settings in (LossSettings(label_smoothing=0.3), LossSettings(class_weights=(1.0, 5.0, 1.0))):
        changed = replace(LSTM, epochs=1, loss=settings).fit(samples, ASOF, seed=1)
        assert changed.metrics["train_loss"] != plain.metrics["train_loss"]
        t, n = samples.upto(ASOF).rows(ASOF - 39, ASOF, ASOF, stride=3)
        p = [changed.predict(samples.features, samples.mask[i], i)[j, 1:] for i, j in zip(t, n, strict=True)]
        y = samples.labels.values[t, n].astype(int)
        measured = -np.log(np.array(p)[np.arange(len(y)), y]).mean()
        assert changed.metrics["valid_loss"] == pytest.approx(measured, rel=1e-4)


# -- schedules -------------------------------------------------------------------------------------------------------


def test_step_decay_multiplies_after_every_so_many_epochs():
    rates = [Schedule(epochs=2).rate(1.0, 0.5, epoch, 6) for epoch in range(1, 7)]
    assert rates == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert [Schedule().rate(0.3, 0.7, epoch, 6) for epoch in (1, 4)] == [0.3, 0.3 * 0.7**3]


def test_cosine_falls_from_lr_to_its_floor_and_stays():
    cosine = Schedule("cosine", floor=0.1)
    rates = [cosine.rate(2.0, 1.0, epoch, 10) for epoch in range(1, 12)]
    assert rates[0] == 2.0
    assert rates[5] == pytest.approx(2.0 * 0.55)  # half way
    assert rates[10] == pytest.approx(0.2)
    assert rates == sorted(rates, reverse=True)
    short = Schedule("cosine", epochs=4)
    assert [short.rate(2.0, 1.0, epoch, 10) for epoch in (3, 5, 9)] == pytest.approx([1.0, 0.0, 0.0])


class Recorded(nn.Module):
    """One parameter of two numbers with the gradient (3, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2))
        self.w.grad = torch.tensor([3.0, 4.0])


def moved(settings: Optimiser, lr: float, loss: float) -> torch.Tensor:
    network = Recorded()
    settings.step(settings.build(network.parameters(), lr, 0.0), lr, torch.tensor(loss))
    return network.w.detach()


def test_the_step_length_is_one_over_loss_and_alpha():
    torch.testing.assert_close(moved(Optimiser("descent", alpha=0.5), 1.0, 2.0), torch.tensor([-3.0, -4.0]) / 2.5)
    torch.testing.assert_close(moved(Optimiser("descent", alpha=0.5), 0.1, 0.0), torch.tensor([-3.0, -4.0]) / 5)


def test_a_random_direction_has_the_gradients_norm_and_at_most_its_length():
    torch.manual_seed(0)
    steps = torch.stack([moved(Optimiser("descent", 1.0, random_direction=1.0), 1.0, 0.0) for _ in range(400)])
    length = steps.norm(dim=1)
    assert length.max() <= 5.0001
    assert 2.2 < length.mean() < 2.8  # uniform up to 5
    assert steps.mean(dim=0).norm() < 0.5  # every direction
    seldom = torch.stack([moved(Optimiser("descent", 1.0, random_direction=0.2), 1.0, 0.0) for _ in range(400)])
    assert 0.13 < float((seldom != torch.tensor([-3.0, -4.0])).any(dim=1).float().mean()) < 0.27


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_descent_trains_a_network(share):
    recipe = replace(LSTM, epochs=12, lr=1.0, clip_norm=5.0, patience=12)
    version = replace(recipe, optimiser=Optimiser("descent", 1.0, share)).fit(market_samples()[1], ASOF, seed=1)
    history = version.manifest["history"]
    assert history[-1][1] < history[0][1] - 0.002


class KilledError(Exception):
    pass


def kill(tick):
    if tick.epoch == 2:
        raise KilledError


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser": Optimiser("descent", 1.0, 0.3), "schedule": Schedule("cosine")},
        {"init": "normal", "loss": LossSettings(0.1, "balanced")},
    ],
    ids=["descent", "normal"],
)
def test_a_killed_fit_with_other_settings_resumes_to_the_same_bytes(tmp_path, changes):
    samples, recipe = market_samples()[1], replace(LSTM, **changes)
    stored = replace(recipe, checkpoints=str(tmp_path))
    with pytest.raises(KilledError):
        stored.fit(samples, ASOF, seed=3, progress=kill)
    assert stored.fit(samples, ASOF, seed=3).id == recipe.fit(samples, ASOF, seed=3).id


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LossSettings(label_smoothing=1.0), "loss: label_smoothing: expected from 0 to below 1, got 1.0"),
        (lambda: LossSettings(class_weights="even"), "class_weights: expected equal, balanced or numbers, got 'even'"),
        (lambda: LossSettings(class_weights=(1.0, 0.0)), "class_weights: expected positive numbers"),
        (lambda: Schedule("linear"), "schedule: kind: expected step or cosine, got 'linear'"),
        (lambda: Schedule(epochs=0), "schedule: epochs: expected at least 1, got 0"),
        (lambda: Schedule(floor=0.1), "schedule: floor: belongs to kind cosine"),
        (lambda: Schedule("cosine", floor=1.0), "schedule: floor: expected from 0 to below 1"),
        (lambda: Optimiser("sgd"), "optimiser: kind: expected adam or descent, got 'sgd'"),
        (lambda: Optimiser("descent", alpha=0.0), "optimiser: alpha: expected more than 0"),
        (lambda: Optimiser("descent", random_direction=2.0), "random_direction: expected from 0 to 1, got 2.0"),
        (lambda: Optimiser(random_direction=0.1), "belong to kind descent; leave them out with adam"),
        (lambda: NetworkRecipe(init="he"), "recipe network: init: expected xavier or normal, got 'he'"),
        (lambda: NetworkRecipe(weight_decay=-1.0), "recipe network: weight_decay: expected 0 or more, got -1.0"),
        (lambda: NetworkRecipe(target="log"), "target: expected one of rank, standardised, percent, got 'log'"),
        (lambda: NetworkRecipe(schedule=Schedule("cosine"), lr_decay=0.9), "lr_decay: belongs to schedule step"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


S2_IMPROVED = {
    "kind": "network",
    "model": "cnn_lstm_improved",
    "batch": 96,
    "settings": {"drop_path": 0.2},
    "loss": {"label_smoothing": 0.1, "class_weights": [1, 2, 1]},
    "augment": {"mixup": 0.2, "noise": 0.05, "time_shift": 2, "fgsm": 0.01},
    "schedule": {"kind": "cosine"},
}


def config_of(recipe: dict) -> dict:
    return {
        "name": "s2",
        "data": {"source": "simulated"},
        "walk_forward": {"first_test": "2020-01-02"},
        "recipes": {"improved": recipe},
        "headline": "improved",
    }


def test_a_config_reaches_every_setting_and_comes_back_whole():
    config = parse(config_of(S2_IMPROVED), "s2.yaml")
    recipe = config.recipes["improved"]
    assert recipe.augment == Augment(**S2_IMPROVED["augment"])
    assert recipe.loss == LossSettings(0.1, (1.0, 2.0, 1.0))
    assert recipe.schedule == Schedule("cosine")
    assert parse(to_tree(config), "again").recipes == config.recipes


def test_the_page_on_networks_has_a_recipe_that_parses_and_names_every_model_and_baseline():
    page = (Path(__file__).resolve().parents[1] / "docs" / "networks.md").read_text(encoding="utf-8")
    block = page.split("```yaml\n")[1].split("```")[0]
    recipe = parse(config_of(yaml.safe_load(block)["recipes"]["improved"]), "networks.md").recipes["improved"]
    assert recipe.augment == Augment(noise=0.05, mixup=0.2, time_shift=2, fgsm=0.01)
    assert all(f"`{name}`" in page for name in (*MODELS, "random_forest", "svm", "logistic", "persistence"))


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("loss", {"label_smothing": 0.1}, "label_smothing: unknown key; did you mean 'label_smoothing'"),
        ("loss", {"label_smoothing": 1.5}, "label_smoothing: expected from 0 to below 1, got 1.5"),
        ("augment", {"mixup": -1}, "mixup: expected 0 or more, got -1"),
        ("optimiser", {"kind": "descent", "random_direction": 3}, "random_direction: expected from 0 to 1"),
    ],
)
def test_a_config_with_a_wrong_setting_is_refused_by_name(section, values, said):
    with pytest.raises(ConfigError, match=rf"s2.yaml: recipes.improved.*{said}"):
        parse(config_of({**S2_IMPROVED, section: values}), "s2.yaml")
