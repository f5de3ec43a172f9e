"""Networks: shapes, sizes, equations, initial weights, and errors of their settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nnstrategies.errors import ConfigError
from nnstrategies.models import MODELS, build_model, model_settings, refuse_window, target_steps
from nnstrategies.models.attention import ChannelAttention
from nnstrategies.models.mlp import hidden_nodes
from nnstrategies.models.peephole_lstm import PeepholeLayer
from nnstrategies.models.residual import ResidualBlock
from nnstrategies.models.weights import normal

# What makes each network small; the MLP sees the whole window of 20 and the segments fit it.
SMALL = {
    "cnn_lstm_improved": {"channels_1": 6, "channels_2": 8, "heads": 2},
    "mlp": {"days": 20},
    "segment_lstm": {"segment_days": 5},
}
SEQUENCES = ["segment_lstm", "sequence_lstm"]


def small(name: str, n_features: int, n_outputs: int, hidden: int = 6) -> nn.Module:
    return build_model(name, n_features, n_outputs, {"hidden": hidden, **SMALL.get(name, {})})


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 5])
def test_every_model_maps_windows_to_head_outputs(name, n_outputs, batch):
    network = small(name, 7, n_outputs).eval()
    assert network(torch.randn(batch, 20, 7)).shape == (batch, n_outputs)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_reads_one_feature_and_its_shortest_window(name):
    window = next(w for w in range(1, 30) if refuse_window(name, w, SMALL.get(name, {})) is None)
    assert torch.isfinite(small(name, 1, 2).eval()(torch.randn(3, window, 1))).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_sample_is_computed_alone(name):
    torch.manual_seed(0)
    network, x = small(name, 4, 3).eval(), torch.randn(6, 20, 4)
    other = torch.cat([x[:1], torch.randn(5, 20, 4)])
    torch.testing.assert_close(network(x)[0], network(other)[0])


def test_defaults_are_the_papers_sizes():
    cnn_lstm = build_model("cnn_lstm", 81, 3, {})
    assert cnn_lstm.conv_1.weight.shape == (64, 81, 3)
    assert cnn_lstm.conv_2.weight.shape == (128, 64, 3)
    assert (cnn_lstm.lstm.input_size, cnn_lstm.lstm.hidden_size) == (128, 256)
    assert cnn_lstm.dropout.p == 0.3
    assert cnn_lstm.dense.weight.shape == (128, 256)
    lstm = build_model("lstm", 53, 2, {})
    assert (lstm.lstm.num_layers, lstm.lstm.hidden_size, lstm.lstm.dropout) == (3, 150, 0.2)


def test_defaults_of_the_improved_cnn_lstm_are_table_3s():
    network = build_model("cnn_lstm_improved", 81, 3, {})
    assert network.conv_1.weight.shape == (96, 81, 3)
    assert network.conv_2.weight.shape == (192, 96, 3)
    assert (network.lstm.input_size, network.lstm.hidden_size) == (192, 384)
    assert network.attention.heads == 8
    assert [block.drop for block in network.blocks] == [0.05, 0.1]
    assert network.dropout.p == 0.3
    assert network.dense.weight.shape == (128, 384)


def test_defaults_of_the_other_systems_are_the_papers():
    forecast = build_model("forecast_lstm", 4, 1, {})  # S3
    assert (forecast.lstm.num_layers, forecast.lstm.hidden_size, forecast.lstm.dropout) == (2, 50, 0.1)
    assert sum(isinstance(m, nn.Dropout) for m in forecast.modules()) == 0  # between the layers only
    bp = build_model("mlp", 6, 1, {})  # S5: 4 layers, one day of 6 values
    assert [m.weight.shape for m in (bp.hidden_1, bp.hidden_2, bp.head)] == [(10, 6), (10, 10), (1, 10)]
    sequence = build_model("sequence_lstm", 6, 1, {})
    assert (sequence.lstm.num_layers, sequence.lstm.input_size, sequence.lstm.hidden_size) == (1, 6, 10)
    segment = build_model("segment_lstm", 1, 1, {})
    assert segment.lstm.hidden_size > segment.lstm.input_size  # "slightly larger"
    cnn, lstm = build_model("cnn", 81, 3, {}), build_model("lstm_dense", 81, 3, {})  # S2 without the other half
    assert (cnn.conv_1.out_channels, cnn.conv_2.out_channels, cnn.dense.out_features) == (64, 128, 128)
    assert (lstm.lstm.hidden_size, lstm.dense.out_features, lstm.dropout.p) == (256, 128, 0.3)


def test_the_networks_of_s1_have_the_layers_of_table_1():
    cnn = build_model("cnn_selector", 6, 2, {})
    kinds = [type(m).__name__ for m in cnn.modules()]
    assert (kinds.count("Conv2d"), kinds.count("Linear")) == (2, 3)  # 2 hidden, 2 hidden and the output
    timer = build_model("peephole_lstm", 6, 2, {})
    kinds = [type(m).__name__ for m in timer.modules()]
    assert (kinds.count("PeepholeLayer"), kinds.count("Linear")) == (1, 2)


def test_hidden_nodes_follow_the_papers_formula():
    assert [hidden_nodes(6, 1, alpha) for alpha in (1, 5, 10)] == [4, 8, 13]  # sqrt(7) = 2.6


@pytest.mark.parametrize("name", MODELS)
def test_the_last_day_of_the_window_and_the_first_matter(name):
    torch.manual_seed(0)
    network = small(name, 3, 1, hidden=8).eval()
    x = torch.randn(1, 20, 3)
    for day in (0, 19):
        changed = x.clone()
        changed[:, day] += 1
        assert not torch.equal(network(changed), network(x))


def test_the_bp_network_sees_the_last_days_only():
    torch.manual_seed(0)
    x = torch.randn(2, 20, 3)
    for days in (1, 4):
        network = build_model("mlp", 3, 1, {"days": days}).eval()
        for day in range(20):
            changed = x.clone()
            changed[:, day] += 1
            assert torch.equal(network(changed), network(x)) == (day < 20 - days)


# -- peepholes -------------------------------------------------------------------------------------------------------


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def reference_step(x, y, c, w):
    """Equations 2-7 of S1 for one sample, letter by letter; w holds W, R, p, b by gate."""
    z = np.tanh(w["W"]["z"] @ x + w["R"]["z"] @ y + w["b"]["z"])
    i = sigmoid(w["W"]["i"] @ x + w["R"]["i"] @ y + w["p"]["i"] * c + w["b"]["i"])
    f = sigmoid(w["W"]["f"] @ x + w["R"]["f"] @ y + w["p"]["f"] * c + w["b"]["f"])
    c_new = i * z + f * c
    o = sigmoid(w["W"]["o"] @ x + w["R"]["o"] @ y + w["p"]["o"] * c_new + w["b"]["o"])
    return o * np.tanh(c_new), c_new


def random_peephole_layer(n_features: int, hidden: int) -> PeepholeLayer:
    torch.manual_seed(3)
    layer = PeepholeLayer(n_features, hidden).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.7)
    return layer


def test_the_peephole_layer_equals_a_reference_step_by_step():
    hidden, layer = 4, random_peephole_layer(3, 4)
    x = np.random.default_rng(0).normal(size=(2, 9, 3))
    rows = {gate: slice(k * hidden, (k + 1) * hidden) for k, gate in enumerate("zifo")}
    plain = {key: value.detach().numpy() for key, value in layer.named_parameters()}
    w = {
        key: {gate: plain[name][at] for gate, at in rows.items()}
        for key, name in (("W", "W"), ("R", "R"), ("b", "bias"))
    }
    w["p"] = {gate: plain[f"p_{gate}"] for gate in "ifo"}
    found = layer(torch.from_numpy(x)).detach().numpy()
    for sample in range(2):
        y, c = np.zeros(hidden), np.zeros(hidden)
        for step in range(9):
            y, c = reference_step(x[sample, step], y, c, w)
            np.testing.assert_allclose(found[sample, step], y, rtol=1e-12, atol=1e-14)


def test_without_peepholes_the_layer_is_torchs_lstm():
    layer, lstm = random_peephole_layer(3, 4), nn.LSTM(3, 4, batch_first=True).double()
    for gate in (layer.p_i, layer.p_f, layer.p_o):
        nn.init.zeros_(gate)
    order = torch.tensor([1, 2, 0, 3])[:, None] * 4 + torch.arange(4)  # torch: i, f, z, o
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(layer.W[order.flatten()])
        lstm.weight_hh_l0.copy_(layer.R[order.flatten()])
        lstm.bias_ih_l0.copy_(layer.bias[order.flatten()])
        lstm.bias_hh_l0.zero_()
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(x), lstm(x)[0], rtol=1e-12, atol=1e-12)


def test_gradients_of_the_peephole_layer_are_right():
    layer = random_peephole_layer(2, 3)
    names = [name for name, _ in layer.named_parameters()]
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)

    def run(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *layer.parameters()))


def test_each_gate_sees_the_cell_the_paper_says():
    """p_o acts from the first step on, through c(t); p_i and p_f, through c(t-1) = 0, only from the second."""
    x = torch.randn(1, 2, 3, dtype=torch.float64)
    before = random_peephole_layer(3, 4)(x)
    for name, first_changes in (("p_i", False), ("p_f", False), ("p_o", True)):
        layer = random_peephole_layer(3, 4)
        with torch.no_grad():
            getattr(layer, name).add_(1.0)
        after = layer(x)
        assert torch.equal(after[:, 0], before[:, 0]) != first_changes
        assert not torch.equal(after[:, 1], before[:, 1])


# -- attention, residual blocks, sequences ----------------------------------------------------------------------------


def test_channel_attention_attends_as_torchs_multihead_attention():
    torch.manual_seed(0)
    ours, theirs = ChannelAttention(12, heads=3), nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.weight.copy_(torch.eye(12))
        theirs.out_proj.bias.zero_()
    tokens = torch.randn(4, 7, 12)
    torch.testing.assert_close(ours._attend(tokens), theirs(tokens, tokens, tokens)[0])


def test_channel_attention_scales_each_channel_by_one_weight():
    torch.manual_seed(0)
    x = torch.randn(3, 8, 5)
    weight = ChannelAttention(8, heads=2)(x) / x  # [B, C, S]
    torch.testing.assert_close(weight, weight[:, :, :1].expand_as(weight))
    assert ((weight > 0) & (weight < 2)).all()
    assert len(weight[:, :, 0].unique()) == 24


def test_stochastic_depth_skips_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    block = ResidualBlock(2, 3, drop=0.25)
    branch = torch.ones(4000, 2, 5)
    kept = block._keep(branch)
    assert sorted(set(kept.flatten().tolist())) == pytest.approx([0.0, 1 / 0.75])
    assert (kept == kept[:, :1, :1]).all()
    assert abs(float(kept.mean()) - 1) < 0.03
    block.eval()
    assert torch.equal(block._keep(branch), branch)


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequence_models_end_with_their_forecast_and_no_step_sees_later_days(name):
    torch.manual_seed(0)
    network, x = small(name, 3, 2).eval(), torch.randn(4, 20, 3)
    places = target_steps(name, 20, SMALL.get(name, {}))
    steps = network.steps(x)
    assert steps.shape == (4, len(places), 2)
    assert places[-1] == 19
    assert torch.equal(network(x), steps[:, -1])
    for k, place in enumerate(places[:-1]):
        changed = x.clone()
        changed[:, place + 1 :] += 1
        assert torch.equal(network.steps(changed)[:, : k + 1], steps[:, : k + 1])
        assert not torch.equal(network.steps(changed)[:, k + 1], steps[:, k + 1])


def test_target_steps_are_the_papers():
    assert target_steps("segment_lstm", 12, {"segment_days": 4}) == [3, 7, 11]  # then x2(1), x3(1) and day L + 1 follow
    assert target_steps("sequence_lstm", 3, {}) == [0, 1, 2]
    assert target_steps("lstm", 3, {}) is None


# -- initial weights -------------------------------------------------------------------------------------------------


def test_weights_start_as_xavier_with_an_open_forget_gate():
    torch.manual_seed(0)
    lstm = build_model("lstm", 10, 3, {"hidden": 40, "layers": 1})
    bound = (6 / (10 + 4 * 40)) ** 0.5
    weight = lstm.lstm.weight_ih_l0
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.95 * bound
    bias = (lstm.lstm.bias_ih_l0 + lstm.lstm.bias_hh_l0).reshape(4, 40)
    assert torch.equal(bias, torch.tensor([0.0, 1.0, 0.0, 0.0])[:, None].expand(4, 40))
    timer = build_model("peephole_lstm", 10, 2, {"hidden": 40}).lstm
    assert torch.equal(timer.bias.reshape(4, 40), torch.tensor([0.0, 0.0, 1.0, 0.0])[:, None].expand(4, 40))
    assert not torch.cat([timer.p_i, timer.p_f, timer.p_o]).any()


@pytest.mark.parametrize("name", MODELS)
def test_normal_weights_are_standard_normal_and_leave_biases_and_norms(name):
    torch.manual_seed(0)
    network = small(name, 3, 2, hidden=24)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    normal(network)
    drawn = []
    for key, value in network.state_dict().items():
        if "bias" in key or "norm" in key:
            assert torch.equal(value, before[key]), key
        else:
            assert not torch.equal(value, before[key]), key
            drawn.append(value.flatten())
    values = torch.cat(drawn)
    assert abs(float(values.mean())) < 4 / len(values) ** 0.5
    assert abs(float(values.std()) - 1) < 3 / len(values) ** 0.5


# -- errors ----------------------------------------------------------------------------------------------------------


def test_an_unknown_model_or_setting_gets_a_suggestion():
    with pytest.raises(ConfigError, match="did you mean 'lstm'"):
        model_settings("lstn", {})
    with pytest.raises(ConfigError, match="unknown setting 'hiden'; did you mean 'hidden'"):
        model_settings("lstm", {"hiden": 3})


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("lstm", {"hidden": 0}, "hidden: expected a whole number of at least 1, got 0"),
        ("lstm", {"layers": 1.5}, "layers: expected a whole number"),
        ("cnn", {"dropout": 1.0}, "dropout: expected a share from 0 to below 1, got 1.0"),
        ("cnn_lstm_improved", {"drop_path": -0.1}, "drop_path: expected a share"),
        ("cnn_lstm_improved", {"channels_2": 190}, r"channels_2: expected a multiple of heads \(8\), got 190"),
    ],
)
def test_a_setting_no_network_can_have_is_refused(name, settings, said):
    with pytest.raises(ConfigError, match=f"model {name}: {said}"):
        model_settings(name, settings)


def test_windows_a_model_cannot_read_are_refused():
    assert refuse_window("cnn_lstm", 3, {}) == "needs windows of 4 sessions, got 3"
    assert "a multiple of 10 sessions" in refuse_window("segment_lstm", 25, {})
    assert "at least 5 sessions" in refuse_window("mlp", 4, {"days": 5})
    assert refuse_window("segment_lstm", 30, {}) is None


# -- learning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_model_learns_which_of_two_days_was_higher(name):
    """An order: invisible to anything linear in the window's sum."""
    torch.manual_seed(0)
    x = torch.randn(256, 8, 1)
    y = (x[:, 5, 0] > x[:, 6, 0]).long()
    settings = {"hidden": 16, "dropout": 0.0, "layers": 1, "drop_path": 0.0, "channels_1": 8, "channels_2": 16}
    settings |= {"mlp": {"days": 8}, "segment_lstm": {"segment_days": 2}}.get(name, {})
    known = model_settings(name, {})
    network = build_model(name, 1, 2, {key: value for key, value in settings.items() if key in known})
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.4
