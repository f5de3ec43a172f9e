"""The whole state of a fit in one file: resumed, it ends in the same bytes as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from nnstrategies.errors import RegistryError
from nnstrategies.training.files import whole

ABSENT = "absent"


class Checkpoint:
    """A safetensors file: weights, optimiser, generators and best weights as tensors, the rest as JSON in its header.

    signature: what the fit is (architecture, settings, feature hash, data, seed, asof); that of another is refused.
    """

    def __init__(self, path: Path, signature: Mapping[str, Any]) -> None:
        self.path = path
        self._signature = json.dumps(signature, sort_keys=True)

    def save(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        generator: torch.Generator,
        best: Mapping[str, Tensor],
        plain: Mapping[str, Any],
    ) -> None:
        """Replace the file in one step, so that a kill leaves the old or the new one, never half of either.

        RegistryError when it cannot be written, as on a full disk.
        """
        tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
        tensors |= {f"best.{key}": value for key, value in best.items()}
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items()}
        tensors["generator.order"] = generator.get_state()
        tensors["generator.torch"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["generator.cuda"] = torch.cuda.get_rng_state()
        stored = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        header = {"signature": self._signature, "plain": json.dumps(plain)}
        with whole(self.path, "checkpoint") as beside:
            beside.write_bytes(save(stored, header))

    def load(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Put everything back and return (best, plain); None when there is no file. RegistryError for another fit's."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                header = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise RegistryError(f"checkpoint {self.path}: not readable ({error}); delete it to train anew") from None
        if header.get("signature") != self._signature:
            raise RegistryError(
                f"checkpoint {self.path}: belongs to another fit: {self._difference(header.get('signature'))}; "
                f"delete it to train anew, or use another checkpoint folder"
            )
        part = _parts(tensors)
        network.load_state_dict(part["network"])
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in part.get("optimiser", {}).items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        generator.set_state(part["generator"]["order"])
        torch.set_rng_state(part["generator"]["torch"])
        if torch.cuda.is_available() and "cuda" in part["generator"]:
            torch.cuda.set_rng_state(part["generator"]["cuda"])
        return part.get("best", {}), json.loads(header["plain"])

    def _difference(self, other: str | None) -> str:
        theirs, ours = _flat(json.loads(other or "{}")), _flat(json.loads(self._signature))
        keys = sorted(key for key in {*theirs, *ours} if theirs.get(key, ABSENT) != ours.get(key, ABSENT))
        return ", ".join(f"{key} is {theirs.get(key, ABSENT)}, expected {ours.get(key, ABSENT)}" for key in keys[:3])


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Dotted key -> value as text."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        flat |= (
            _flat(value, f"{above}{key}.") if isinstance(value, Mapping) and value else {f"{above}{key}": repr(value)}
        )
    return flat


def _parts(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        part, name = key.split(".", 1)
        parts.setdefault(part, {})[name] = value
    return parts
