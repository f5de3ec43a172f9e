"""The training loop: one for every network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from nnstrategies.errors import FitError
from nnstrategies.training.augment import Augment, Mixed, adversarial, vary
from nnstrategies.training.batches import Examples
from nnstrategies.training.checkpoint import Checkpoint
from nnstrategies.training.losses import Objective, loss_of
from nnstrategies.training.schedules import Optimiser, Schedule, set_rate

Report = Callable[[int, float, float, float | None, float], None]
_VALID_SESSIONS = 16_384  # in a validation batch: an LSTM's gates for many more are larger than a market's features


@dataclass(frozen=True)
class LoopSettings:
    """epochs: at most. patience: epochs without a better validation loss before stopping. lr_decay: see Schedule."""

    epochs: int
    batch: int
    lr: float
    lr_decay: float
    patience: int
    clip_norm: float
    weight_decay: float
    amp: bool
    augment: Augment = field(default_factory=Augment)
    schedule: Schedule = field(default_factory=Schedule)
    optimiser: Optimiser = field(default_factory=Optimiser)


@dataclass
class LoopState:
    """What a resumed loop needs besides tensors. history: [epoch, training loss, validation loss or None]."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    history: list[list[Any]] = field(default_factory=list)
    finished: bool = False


class Loop:
    """Updates with clipping, validation after each epoch, early stop, the best weights kept.

    objective: the training loss; validation takes ``loss_of``. A network with ``steps`` trains on all of them where the
    examples have targets for them.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: LoopSettings,
        generator: torch.Generator,
        device: torch.device,
        label: str,
        checkpoint: Checkpoint | None = None,
        report: Report | None = None,
        objective: Objective | None = None,
    ) -> None:
        self.network = network
        self.settings = settings
        self.generator = generator
        self.device = device
        self.label = label
        self.checkpoint = checkpoint
        self.report = report
        self.objective = objective or Objective()
        self.lr = settings.lr
        self._steps: Callable[[Tensor], Tensor] = getattr(network, "steps", network)
        self.optimiser = settings.optimiser.build(network.parameters(), settings.lr, settings.weight_decay)
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
        if self.report and already < self.state.epoch < self.settings.epochs:  # an early stop ends the fit, too
            _, loss, last = self.state.history[-1]
            self.report(self.state.epoch, 1.0, loss, last, 0.0)
        self.network.load_state_dict(self.best)
        self.network.eval()
        return self.state

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One update on x [B, L, F] and y [B] (or [B, K]); returns the batch's loss."""
        batch = vary(self.settings.augment, x, y)
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._backward(batch)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.settings.optimiser.step(self.optimiser, self.lr, loss)
        return loss

    def _backward(self, batch: Mixed) -> Tensor:
        """Gradients of the batch's loss; with FGSM of the mean of its loss and that of the batch moved against it."""
        size = self.settings.augment.fgsm
        if not size:
            loss = self._objective(batch.x, batch)
            loss.backward()
            return loss.detach()
        x = batch.x.detach().requires_grad_()
        clean = self._objective(x, batch)
        (clean / 2).backward()
        assert x.grad is not None
        moved = self._objective(adversarial(x, x.grad, size), batch)
        (moved / 2).backward()
        return (clean.detach() + moved.detach()) / 2

    def _objective(self, x: Tensor, batch: Mixed) -> Tensor:
        amp = self.settings.amp and self.device.type == "cuda"
        with torch.autocast("cuda", torch.bfloat16) if amp else nullcontext():
            head = (self._steps if batch.y.dim() == 2 else self.network)(x)  # [B, K, O] or [B, O]
            loss = self.objective(head, batch.y)
            if batch.share < 1:
                loss = batch.share * loss + (1 - batch.share) * self.objective(head, batch.other)
        return loss

    @torch.no_grad()
    def loss(self, examples: Examples) -> float:
        """Mean loss over all examples, without dropout."""
        self.network.eval()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for x, y in examples.in_order(max(32, _VALID_SESSIONS // examples.window)):
            total += loss_of(self.network(x), y) * len(y)
        return float(total) / len(examples)

    def _epoch(self, train: Examples, epoch: int, started: float, already: int) -> float:
        self.network.train()
        settings = self.settings
        self.lr = settings.schedule.rate(settings.lr, settings.lr_decay, epoch, settings.epochs)
        set_rate(self.optimiser, self.lr)
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
