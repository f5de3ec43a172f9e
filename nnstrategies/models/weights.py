"""Initial weights shared by the networks."""

from __future__ import annotations

from torch import nn


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
