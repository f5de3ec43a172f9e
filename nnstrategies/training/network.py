"""Networks as recipes: from samples to a version."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from torch import nn

from nnstrategies.errors import ConfigError, FitError
from nnstrategies.models import MODELS, build_model, model_settings, refuse_window, target_steps
from nnstrategies.models.weights import normal
from nnstrategies.samples import Samples
from nnstrategies.splits import Split, trailing_split
from nnstrategies.training.apply import outputs_of
from nnstrategies.training.augment import Augment, ShiftedExamples, shift_room
from nnstrategies.training.batches import Examples, Windows
from nnstrategies.training.calibration import fitted_temperature
from nnstrategies.training.checkpoint import Checkpoint
from nnstrategies.training.device import reproducible, resolve_device
from nnstrategies.training.loop import Loop, LoopSettings, LoopState
from nnstrategies.training.losses import LossSettings, objective
from nnstrategies.training.progress import Progress, Tick
from nnstrategies.training.recipe import Incumbent, RowPair, check_rows, date_of, describe, leaky_row
from nnstrategies.training.scaler import Scaler, ScalingSetting, fit_scaler
from nnstrategies.training.schedules import Optimiser, Schedule
from nnstrategies.training.sequences import SequenceExamples, target_table
from nnstrategies.training.targets import PERCENT, Target, targets_of
from nnstrategies.training.version import Version


@dataclass(frozen=True)
class NetworkRecipe:
    """A network of ``MODELS`` trained by the one loop. Defaults are the papers' (S2; S4 uses batch 20, 20 epochs).

    settings: the model's own, see its class. stride_days: every how many sessions training and validation windows end
    (neighbouring days share most of their window and label). train_days: None trains on all days before validation.
    valid_days: sessions held back for early stop. target: what a ``return`` label becomes. checkpoints: folder for the
    state after each epoch, or None; neither it nor ``device`` changes what the version is. init: ``normal`` draws all
    weights from Normal(0, 1) (S1). calibrate: probabilities of class labels get a temperature, fitted on the purged
    validation rows; these also chose the epoch. loss, augment, schedule, optimiser: see their classes; scaling: see
    ``fit_scaler``. leaky_until: a fit before this day is made as of it all the same, as a paper does whose training or
    whose choice of the epoch reaches into its test (S5, S2); None in everything honest.
    """

    name: str = "network"
    model: str = "cnn_lstm"
    settings: Mapping[str, float | int] = field(default_factory=dict)
    epochs: int = 200
    batch: int = 64
    lr: float = 0.001
    lr_decay: float = 1.0
    patience: int = 10
    clip_norm: float = 1.0
    weight_decay: float = 0.0
    target: Target = "standardised"
    stride_days: int = 1
    train_days: int | None = None
    valid_days: int = 126
    embargo_days: int = 0
    amp: bool = False
    device: str = "auto"
    checkpoints: str | None = None
    init: Literal["xavier", "normal"] = "xavier"
    loss: LossSettings = field(default_factory=LossSettings)
    augment: Augment = field(default_factory=Augment)
    schedule: Schedule = field(default_factory=Schedule)
    optimiser: Optimiser = field(default_factory=Optimiser)
    scaling: ScalingSetting = "zscore"
    calibrate: bool = False
    leaky_until: dt.date | None = None
    seeded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", dict(self.settings))
        model_settings(self.model, self.settings)
        for key in ("epochs", "batch", "patience", "stride_days"):
            if getattr(self, key) < 1:
                raise ConfigError(f"recipe {self.name}: {key}: expected at least 1, got {getattr(self, key)}")
        for key in ("lr", "clip_norm", "lr_decay"):
            if not getattr(self, key) > 0:
                raise ConfigError(f"recipe {self.name}: {key}: expected more than 0, got {getattr(self, key)}")
        self._check_optional()

    def _check_optional(self) -> None:
        if self.weight_decay < 0:
            raise ConfigError(f"recipe {self.name}: weight_decay: expected 0 or more, got {self.weight_decay}")
        if self.calibrate and self.valid_days == 0:
            raise ConfigError(f"recipe {self.name}: calibrate: needs validation rows; set valid_days, or leave it out")
        if self.init not in ("xavier", "normal"):
            raise ConfigError(f"recipe {self.name}: init: expected xavier or normal, got {self.init!r}")
        if self.scaling not in get_args(ScalingSetting):
            raise ConfigError(
                f"recipe {self.name}: scaling: expected one of {', '.join(get_args(ScalingSetting))}, "
                f"got {self.scaling!r}"
            )
        if self.target not in get_args(Target):
            raise ConfigError(
                f"recipe {self.name}: target: expected one of {', '.join(get_args(Target))}, got {self.target!r}"
            )
        if self.schedule.kind == "cosine" and self.lr_decay != 1.0:
            raise ConfigError(
                f"recipe {self.name}: lr_decay: belongs to schedule step, got {self.lr_decay} with cosine; leave it out"
            )
        if self.augment.shifts and hasattr(MODELS[self.model], "target_steps"):
            raise ConfigError(
                f"recipe {self.name}: augment: time_shift: model {self.model} has a target at each of its days, which "
                f"a shifted window would not have; leave it out"
            )

    def fit(
        self,
        samples: Samples,
        asof: int,
        seed: int,
        incumbent: Incumbent | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Train; from the incumbent's weights, and gated by its validation loss, where the incumbent says so.

        The scaler is fitted anew on the training rows. See Recipe.
        """
        known = samples.upto(max(asof, leaky_row(samples, self.leaky_until)))
        if self.calibrate and not known.labels.n_classes:
            raise FitError(f"{self.name}: calibrate: expected class labels, got a return; leave it out")
        train, valid = self._rows(known)
        device = resolve_device(self.device)
        manifest = self._manifest(known, train, seed, incumbent) | {"trained_through": str(date_of(samples, asof))}
        with reproducible(_seed_of(self.name, seed, asof), device):
            network = build_model(self.model, len(known.features.names), manifest["n_head"], self.settings).to(device)
            if self.init == "normal":
                normal(network)
            if incumbent is not None and incumbent.warm:
                _load(network, incumbent.version, manifest)
            scaler = fit_scaler(self.scaling, samples, train)
            loop, state = self._train(network, known, train, valid, scaler, manifest, seed, progress)
            if self.calibrate:
                rows = self._examples(known, valid, scaler, device)
                manifest["temperature"] = fitted_temperature(network, rows)
            best = self._version(manifest, network, scaler, state)
            if incumbent is None or not incumbent.gate or not len(valid[0]):
                return best
            version = incumbent.version
            _load(network, version, manifest)
            judged = self._examples(known, valid, version.scaler or scaler, device)
            return best if state.best_loss <= loop.loss(judged) else version

    def _split(self, known: Samples) -> Split:
        return trailing_split(known.T, known.T - 1, self.train_days, self.valid_days, self.embargo_days)

    def _rows(self, known: Samples) -> tuple[RowPair, RowPair]:
        split = self._split(known)
        train = known.rows(*split.train, stride=self.stride_days)
        check_rows(self.name, known, train)
        if reason := refuse_window(self.model, known.window, self.settings):
            raise FitError(f"{self.name}: model {self.model} {reason}; set window to suit the model")
        if self.valid_days == 0:
            return train, (train[0][:0], train[1][:0])
        valid = known.rows(*split.valid, stride=self.stride_days)
        if not len(valid[0]):
            check_rows(self.name, known, valid, "validation")
        return train, valid

    def _examples(self, known: Samples, rows: RowPair, scaler: Scaler, device: torch.device) -> Examples:
        t, n = rows
        span = (int(t[0]), int(t[-1])) if len(t) else (known.T - 1, known.T - 1)
        windows = Windows(known.features.values, *span, known.window, scaler, device)
        return Examples(windows, t, n, targets_of(known, rows, self.target))

    def _training_examples(self, known: Samples, rows: RowPair, scaler: Scaler, device: torch.device) -> Examples:
        """As the model and the augmentation want them: shifted in time, or with targets inside the window."""
        (t, n), augment = rows, self.augment
        steps = target_steps(self.model, known.window, self.settings)
        if steps is None and not augment.shifts:
            return self._examples(known, rows, scaler, device)
        first, last = int(t[0]) - augment.time_shift, min(int(t[-1]) + augment.leaky_time_shift, known.T - 1)
        windows = Windows(known.features.values, first, last, known.window, scaler, device)
        if steps is None:
            earlier = shift_room(known.mask, t, n, augment.time_shift)
            later = shift_room(known.mask, t, n, augment.leaky_time_shift, step=1)
            return ShiftedExamples(windows, t, n, targets_of(known, rows, self.target), earlier, later)
        begin = max(first - known.window + 1, 0)
        table = target_table(known, begin, last, self._split(known).train.known_by, self.target)
        return SequenceExamples(windows, t, n, table, steps)

    def _train(
        self,
        network: nn.Module,
        known: Samples,
        train: RowPair,
        valid: RowPair,
        scaler: Scaler,
        manifest: Mapping[str, Any],
        seed: int,
        progress: Progress | None,
    ) -> tuple[Loop, LoopState]:
        device = next(network.parameters()).device
        asof = date_of(known, known.T - 1)

        def report(epoch: int, done: float, loss: float, last: float | None, left: float) -> None:
            if progress:
                progress(Tick(self.name, seed, asof, epoch, self.epochs, done, loss, last, left))

        checkpoint = None
        if self.checkpoints is not None:
            path = Path(self.checkpoints) / f"{self.name}-{seed}-{asof}.safetensors"
            checkpoint = Checkpoint(path, manifest)
        generator = torch.Generator().manual_seed(_seed_of(self.name, seed, known.T))
        settings = LoopSettings(**{f.name: getattr(self, f.name) for f in dataclasses.fields(LoopSettings)})
        label = f"{self.name}: fit as of {asof}, seed {seed}"
        examples = self._training_examples(known, train, scaler, device)
        classes = torch.from_numpy(np.asarray(known.labels.values[train]))
        loss = objective(self.loss, classes.long().to(device), known.labels.n_classes, label)
        loop = Loop(network, settings, generator, device, label, checkpoint, report if progress else None, loss)
        state = loop.run(examples, self._examples(known, valid, scaler, device))
        return loop, state

    def _manifest(self, known: Samples, train: RowPair, seed: int, incumbent: Incumbent | None) -> dict[str, Any]:
        config = {k: v for k, v in dataclasses.asdict(self).items() if k not in ("device", "checkpoints")}
        config["leaky_until"] = self.leaky_until and self.leaky_until.isoformat()
        outputs, units = outputs_of(known.labels.n_classes)
        if not known.labels.n_classes and self.target == "percent":
            units = (PERCENT,)
        return describe(known, train, self.name, "network", seed) | {
            "config": config,
            "model": self.model,
            "settings": model_settings(self.model, self.settings),
            "n_features": len(known.features.names),
            "n_head": known.labels.n_classes or 1,
            "window": known.window,
            "outputs": list(outputs),
            "units": list(units),
            "warm_from": incumbent.version.id if incumbent and incumbent.warm else None,
        }

    def _version(self, manifest: Mapping[str, Any], network: nn.Module, scaler: Scaler, state: LoopState) -> Version:
        arrays = {key: value.detach().cpu().numpy().copy() for key, value in network.state_dict().items()}
        metrics = {
            "epochs": state.epoch,
            "best_epoch": state.best_epoch,
            "train_loss": state.history[state.best_epoch - 1][1],
            "valid_loss": state.history[state.best_epoch - 1][2],
        }
        return Version({**manifest, "history": state.history, "metrics": metrics}, arrays, scaler, self.device)


def _load(network: nn.Module, version: Version, manifest: Mapping[str, Any]) -> None:
    """Put an incumbent's weights into a network of the same shape and inputs; FitError otherwise."""
    for key in ("model", "settings", "features", "label", "window"):
        if (found := version.manifest.get(key)) != manifest[key]:
            raise FitError(f"incumbent {version.id}: its {key} is {found}, expected {manifest[key]}; start without it")
    network.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in version.arrays.items()})


def _seed_of(name: str, seed: int, asof: int) -> int:
    """A seed of its own for each recipe, seed and date."""
    return int.from_bytes(hashlib.sha256(f"{name} {seed} {asof}".encode()).digest()[:7], "big")
