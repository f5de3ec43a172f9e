"""The training loop: one for every network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from nnstrategies.errors import FitError
from nnstrategies.training.batches import Examples
from nnstrategies.training.checkpoint import Checkpoint

Report = Callable[[int, float, float, float | None, float], None]
_VALID_BATCH = 1024


@dataclass(frozen=True)
class LoopSettings:
    """epochs: at most. patience: epochs without a better validation loss before stopping. lr_decay: factor an epoch."""

    epochs: int
    batch: int
    lr: float
    lr_decay: float
    patience: int
    clip_norm: float
    weight_decay: float
    amp: bool


@dataclass
class LoopState:
    """What a resumed loop needs besides tensors. history: [epoch, training loss, validation loss or None]."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    history: list[list[Any]] = field(default_factory=list)
    finished: bool = False


class Loop:
    """Adam with clipping, validation after each epoch, early stop, the best weights kept."""

    def __init__(
        self,
        network: nn.Module,
        settings: LoopSettings,
        generator: torch.Generator,
        device: torch.device,
        label: str,
        checkpoint: Checkpoint | None = None,
        report: Report | None = None,
    ) -> None:
        self.network = network
        self.settings = settings
        self.generator = generator
        self.device = device
        self.label = label
        self.checkpoint = checkpoint
        self.report = report
        self.optimiser = torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
        self.state = LoopState()
        self.best: dict[str, Tensor] = {}

    def run(self, train: Examples, valid: Examples) -> LoopState:
        """Train to the end and leave the best weights in the network; without validation rows, the last ones.

        Raises FitError naming the epoch when a loss is not finite.
        """
        self._resume()
        started, already = time.monotonic(), self.state.epoch
        while not self.state.finished:
            epoch = self.state.epoch + 1
            loss = self._epoch(train, epoch, started, already)
            self._judge(epoch, loss, self.loss(valid) if len(valid) else None)
            if self.checkpoint:
                plain = dict(vars(self.state), best_loss=repr(self.state.best_loss))
                self.checkpoint.save(self.network, self.optimiser, self.generator, self.best, plain)
        self.network.load_state_dict(self.best)
        self.network.eval()
        return self.state

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One update on x [B, L, F] and y [B]; returns the batch's loss. Override for mixup and the like."""
        with torch.autocast("cuda", torch.bfloat16, enabled=self.settings.amp and self.device.type == "cuda"):
            loss = loss_of(self.network(x), y)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def loss(self, examples: Examples) -> float:
        """Mean loss over all examples, without dropout."""
        self.network.eval()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for x, y in examples.in_order(_VALID_BATCH):
            total += loss_of(self.network(x), y) * len(y)
        return float(total) / len(examples)

    def _epoch(self, train: Examples, epoch: int, started: float, already: int) -> float:
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.lr * self.settings.lr_decay ** (epoch - 1)
        batches = math.ceil(len(train) / self.settings.batch)
        every = max(1, batches // 10)
        total, rows = torch.zeros((), dtype=torch.float64, device=self.device), 0
        for number, (x, y) in enumerate(train.shuffled(self.settings.batch, self.generator), start=1):
            total += self.step(x, y) * len(y)
            rows += len(y)
            if self.report and (number % every == 0 or number == batches):
                done = epoch - 1 + number / batches
                left = (time.monotonic() - started) / (done - already) * (self.settings.epochs - done)
                last = self.state.history[-1][2] if self.state.history else None
                self.report(epoch, done / self.settings.epochs, float(total) / rows, last, left)
        return float(total) / rows

    def _judge(self, epoch: int, loss: float, valid: float | None) -> None:
        state = self.state
        if not math.isfinite(loss) or (valid is not None and not math.isfinite(valid)):
            raise FitError(
                f"{self.label}: epoch {epoch}: loss is not finite (training {loss}, validation {valid}); lower lr "
                f"({self.settings.lr}) or clip_norm ({self.settings.clip_norm})"
            )
        state.epoch = epoch
        state.history.append([epoch, loss, valid])
        if valid is None or valid < state.best_loss:
            state.best_epoch = epoch
            state.best_loss = math.inf if valid is None else valid
            self.best = {key: value.detach().clone() for key, value in self.network.state_dict().items()}
        state.finished = epoch >= self.settings.epochs or epoch - state.best_epoch >= self.settings.patience

    def _resume(self) -> None:
        stored = self.checkpoint.load(self.network, self.optimiser, self.generator) if self.checkpoint else None
        if stored:
            best, plain = stored
            self.best = {key: value.to(self.device) for key, value in best.items()}
            self.state = LoopState(**{**plain, "best_loss": float(plain["best_loss"])})


def loss_of(head: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy for heads [B, C] and classes [B]; mean squared error for heads [B, 1] and values [B]."""
    if head.shape[1] == 1:
        return nn.functional.mse_loss(head.squeeze(-1).float(), y)
    return nn.functional.cross_entropy(head.float(), y)
