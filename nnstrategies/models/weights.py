"""Initial weights shared by the networks."""

from __future__ import annotations

from torch import nn

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)


def xavier(network: nn.Module) -> None:
    """Xavier-uniform matrices and kernels, zero biases, forget-gate bias 1 (Glorot, Bengio, 2010).

    torch keeps two bias vectors per LSTM layer, each ordered input, forget, cell, output: one of them carries the 1.
    """
    for name, parameter in network.named_parameters():
        if parameter.dim() >= 2:
            nn.init.xavier_uniform_(parameter)
        elif "bias" in name:
            nn.init.zeros_(parameter)
    for module in network.modules():
        if isinstance(module, nn.LSTM):
            hidden = module.hidden_size
            for layer in range(module.num_layers):
                nn.init.ones_(getattr(module, f"bias_ih_l{layer}")[hidden : 2 * hidden])


def normal(network: nn.Module) -> None:
    """Weights drawn from Normal(0, 1), S1's Table 1: matrices, kernels and peepholes; biases and norms as they are.

    The paper speaks of weights only. Gates and tanh saturate under it as soon as a layer has more than a few inputs.
    """
    for module in network.modules():
        if isinstance(module, _NORMS):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            if "bias" not in name:
                nn.init.normal_(parameter)
