"""Networks: shapes, sizes, initial weights, and errors of their settings."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnstrategies.errors import ConfigError
from nnstrategies.models import MODELS, build_model, model_settings


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 5])
def test_every_model_maps_windows_to_head_outputs(name, n_outputs, batch):
    network = build_model(name, 7, n_outputs, {"hidden": 6}).eval()
    assert network(torch.randn(batch, 20, 7)).shape == (batch, n_outputs)


def test_defaults_are_the_papers_sizes():
    cnn_lstm = build_model("cnn_lstm", 81, 3, {})
    assert cnn_lstm.conv_1.weight.shape == (64, 81, 3)
    assert cnn_lstm.conv_2.weight.shape == (128, 64, 3)
    assert (cnn_lstm.lstm.input_size, cnn_lstm.lstm.hidden_size) == (128, 256)
    assert cnn_lstm.dropout.p == 0.3
    assert cnn_lstm.dense.weight.shape == (128, 256)
    lstm = build_model("lstm", 53, 2, {})
    assert (lstm.lstm.num_layers, lstm.lstm.hidden_size, lstm.lstm.dropout) == (3, 150, 0.2)


@pytest.mark.parametrize("name", MODELS)
def test_the_last_day_of_the_window_and_the_first_matter(name):
    torch.manual_seed(0)
    network = build_model(name, 3, 1, {"hidden": 8}).eval()
    x = torch.randn(1, 20, 3)
    for day in (0, 19):
        changed = x.clone()
        changed[:, day] += 1
        assert not torch.equal(network(changed), network(x))


def test_weights_start_as_xavier_with_an_open_forget_gate():
    torch.manual_seed(0)
    lstm = build_model("lstm", 10, 3, {"hidden": 40, "layers": 1})
    bound = (6 / (10 + 4 * 40)) ** 0.5
    weight = lstm.lstm.weight_ih_l0
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.95 * bound
    bias = (lstm.lstm.bias_ih_l0 + lstm.lstm.bias_hh_l0).reshape(4, 40)
    assert torch.equal(bias, torch.tensor([0.0, 1.0, 0.0, 0.0])[:, None].expand(4, 40))


def test_an_unknown_model_or_setting_gets_a_suggestion():
    with pytest.raises(ConfigError, match="did you mean 'lstm'"):
        model_settings("lstn", {})
    with pytest.raises(ConfigError, match="unknown setting 'hiden'; did you mean 'hidden'"):
        model_settings("lstm", {"hiden": 3})


def test_every_model_learns_which_of_two_days_was_higher():
    """An order: invisible to anything linear in the window's sum."""
    torch.manual_seed(0)
    x = torch.randn(256, 8, 1)
    y = (x[:, 5, 0] > x[:, 6, 0]).long()
    for name in MODELS:
        network = build_model(name, 1, 2, {"hidden": 16, "dropout": 0.0} | ({"layers": 1} if name == "lstm" else {}))
        optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(60):
            loss = nn.functional.cross_entropy(network(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert loss.item() < 0.4, name
