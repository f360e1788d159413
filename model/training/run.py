"""Trains one configuration: optimiser, schedule, warm-up before quantization, start and revival of codes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.checkpoint import load_model, load_training, save_training
from model.configuration.reading import Configuration
from model.configuration.sections import Stage
from model.evaluation.bootstrap import metric_intervals
from model.evaluation.downstream import CONFUSION_FILE, write_confusions
from model.evaluation.evaluate import SplitOutputs, classify, collect, evaluate, read_meaning
from model.evaluation.meaning import CODES_FILE, CodeMeaning, write_codes
from model.files import MODEL_FILE
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.building import build_model, longest_window, traded_synthesis
from model.network.teacher import AnswerKey
from model.pretrained.shape_action import ShapeAction
from model.sub_actions.scores import VocabularyFiles
from model.training.answer_key import fit_answer_key
from model.training.augmentation import random_roll
from model.training.losses import mean_terms
from model.training.replicas import Replicas
from model.training.step import StepOutcome, TrainingStep

FINAL_LEARNING_RATE = 0.05  # of the first, at the end of the cosine
LATER_LEARNING_RATE = 0.5  # of the first, at which a later stage begins
REVIVE_UNTIL = 0.8  # share of the first stage's epochs after which no code is moved any more


class ShapeActionRun:
    """One training run on one device.

    Args:
        configuration: Everything that is chosen.
        train: Training split, on the device.
        validation: What `evaluate` measures by default, on the device.
        text: Embedded phrases of each class, merged.
        metadata: Plain values stored with the exported model, such as class names; `native_samples` is read here.
        replicas: Who shares the recordings of each step; every replica is given all of them, and the same
            configuration. None is this process alone.
        vocabulary: Files about the vocabulary to write beside an exported model; None for none.
        key: The answer key that all trials of a search share; None trains one from the two splits.
    """

    def __init__(
        self,
        configuration: Configuration,
        train: Batch,
        validation: Batch,
        text: ClassText,
        metadata: dict[str, Any] | None = None,
        replicas: Replicas | None = None,
        vocabulary: VocabularyFiles | None = None,
        key: AnswerKey | None = None,
    ):
        self.configuration, self.train, self.validation = configuration, train, validation
        self.metadata, self.replicas, self.vocabulary = metadata or {}, replicas or Replicas(), vocabulary
        device = train.x.device
        torch.manual_seed(configuration.seed + self.replicas.rank)  # dropout; all else has generators of its own
        channels, samples = train.x.shape[1:]
        self.model = build_model(configuration, text, channels, samples).to(device)
        self._check(validation)
        if key is None:
            key, _ = fit_answer_key(configuration, text, (train, validation))
        self.model.teacher.key.load_state_dict(key.state_dict())
        if self.model.to_tokens.levels is not None:
            if train.level is None:
                raise ValueError(
                    f"architecture.levels: {configuration.architecture.levels} is asked for, but these recordings "
                    "come without offset and scale; take none"
                )
            self.model.to_tokens.levels.fit(train.level)
        self.model.mixed_precision = device.type == "cuda"
        self.generator = torch.Generator().manual_seed(configuration.seed)
        self.longest = longest_window(configuration)
        self.step = TrainingStep(self.model, configuration, self.longest, self.replicas)
        self.epoch = 0
        self.codes_started = False
        self.optimizer = self._optimizer()

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return math.ceil(len(self.train.x) / self.configuration.training.batch_size)

    def _optimizer(self) -> torch.optim.AdamW:
        t = self.configuration.training
        decayed: dict[str, Any] = {"params": [], "weight_decay": t.weight_decay}
        kept: dict[str, Any] = {"params": [], "weight_decay": 0.0}
        for name, p in self.model.named_parameters():
            # Codes are positions, not weights: decay would draw them together, and so would decay of a map of codes.
            decays = p.ndim > 1 and not name.startswith("quantizer.")
            if p.requires_grad:
                (decayed if decays else kept)["params"].append(p)
        return torch.optim.AdamW([decayed, kept], lr=t.learning_rate, fused=True)

    def _under_way(self) -> tuple[Stage, int]:
        """The stage of the current epoch, and the epoch in which it began."""
        begin = 0
        for stage in self.configuration.all_stages:
            if self.epoch < begin + stage.epochs:
                break
            begin += stage.epochs
        return stage, begin

    @property
    def _first(self) -> int:
        """Epochs of the first stage, in which codes come into use and windows are released."""
        return self.configuration.all_stages[0].epochs

    @property
    def quantizes(self) -> bool:
        """Whether the current epoch uses codes; the first ones do not."""
        return self.epoch >= int(self.configuration.training.unquantized_fraction * self._first)

    @property
    def windows_frozen(self) -> bool:
        """Whether windows stay where they began; while shapes draw nothing yet, windows would only grow."""
        return self.epoch < int(self.configuration.windows.held_fraction * self._first)

    def train_epoch(self) -> dict[str, float]:
        """One pass over the training split.

        Returns:
            Means over the steps, see `model.training.losses.mean_terms`.
        """
        if self.quantizes and not self.codes_started:
            self.model.quantizer.init_codes(collect(self.model, self.train).z, self.configuration.seed)
            self._agree()
            self.codes_started = True
        order = torch.randperm(len(self.train.x), generator=self.generator)
        usage = torch.zeros(self.configuration.codebook_size, dtype=torch.long, device=self.train.x.device)
        stage, begin = self._under_way()
        self.model.synthesis = traded_synthesis(self.configuration.synthesis, stage.action_weight)
        done, total = ((epochs * self.steps_per_epoch) for epochs in (self.epoch - begin, stage.epochs))
        outcomes: list[StepOutcome] = []
        # Cut evenly: a last step of a few recordings would move the model as far as the others.
        for rows in order.to(self.train.x.device).tensor_split(self.steps_per_epoch):
            for group in self.optimizer.param_groups:
                group["lr"] = self._learning_rate(done + len(outcomes), total, later=begin > 0)
            outcomes.append(self._step(self._augmented(self.train.take(rows)), stage.action_weight))
            # Unlike bincount, adding does not wait for a GPU.
            usage.index_add_(0, outcomes[-1].indices, torch.ones_like(outcomes[-1].indices))
        self._revive(usage, outcomes[-1].z)
        self._agree()
        self.epoch += 1
        return mean_terms([(outcome.loss, outcome.terms) for outcome in outcomes])

    def _augmented(self, batch: Batch) -> Batch:
        """The recordings of a step, some rolled, each with its text in the wordings drawn for it."""
        batch = random_roll(batch, self.configuration.training.roll, self.generator)
        if self.configuration.training.wordings == "first":
            return batch
        return batch._replace(wording=self.model.teacher.text.draw_wordings(batch.y, self.generator))

    def _learning_rate(self, step: int, steps: int, later: bool) -> float:
        """The rate of a step of a stage: it rises, then falls along a cosine; `later` than the first, from half."""
        t = self.configuration.training
        rise = max(1, round(t.warmup_fraction * steps))
        highest = LATER_LEARNING_RATE if later else 1.0
        if step < rise:
            factor = highest * (step + 1) / rise
        else:
            along = (step - rise) / max(1, steps - rise)
            factor = FINAL_LEARNING_RATE + (highest - FINAL_LEARNING_RATE) * 0.5 * (1 + math.cos(math.pi * along))
        return t.learning_rate * factor

    def _step(self, batch: Batch, action_weight: float) -> StepOutcome:
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        outcome = self.step(batch, self._kept(batch.x.shape[:2].numel()), self.quantizes, action_weight)
        if self.windows_frozen:
            self.model.attributes.to_window.zero_grad(set_to_none=True)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.configuration.training.gradient_clip)
        self.optimizer.step()
        self.model.teacher.update()
        if self.quantizes:
            self.model.quantizer.ema_update(outcome.z, outcome.indices)
        return outcome

    def _agree(self) -> None:
        self.replicas.agree(part for name, part in self.model.state_dict().items() if name.startswith("quantizer."))

    def _kept(self, series: int) -> Tensor | None:
        patches = self.model.to_tokens.encoder.patches
        hidden = min(round(self.configuration.training.mask_fraction * patches), patches - 1)
        if hidden == 0:
            return None
        order = torch.rand(series, patches, generator=self.generator).argsort(-1)
        # In their order, so that neighbours in memory are neighbours in time.
        return order[:, hidden:].sort(-1).values.to(self.train.x.device, non_blocking=True)

    def _revive(self, usage: Tensor, z: Tensor) -> None:
        below = self.configuration.training.revive_below
        early = self.epoch < REVIVE_UNTIL * self._first
        if self.codes_started and below and early:
            parts = [part for name, part in self.model.named_parameters() if name.startswith("quantizer.")]
            before = {part: part.detach().clone() for part in parts}
            self.model.quantizer.replace_dead_codes(usage, z, below, self.generator)
            for part, was in before.items():
                moved, state = (part != was).any(-1), self.optimizer.state.get(part, {})
                # A code that was moved does not go on in the direction of the one that died.
                for moment in state.keys() & {"exp_avg", "exp_avg_sq"}:
                    state[moment][moved] = 0.0

    def evaluate(self, split: Batch | None = None) -> dict[str, float]:
        """Metrics of a held-out split; None measures the validation split.

        Raises:
            ValueError: Its recordings have other channels or another length than those that are trained on.
        """
        if split is not None:
            self._check(split)
        temperature = self.configuration.alignment.contrastive_temperature
        native = self.metadata.get("native_samples")
        return evaluate(self.model, self.train, split or self.validation, self.longest, temperature, native)

    def intervals(self, split: Batch | None = None) -> dict[str, tuple[float, float]]:
        """95 % intervals over recordings of those metrics that are ratios; arguments as for `evaluate`."""
        if split is not None:
            self._check(split)
        return metric_intervals(self.model, self.train, split or self.validation, self.longest)

    def _check(self, split: Batch) -> None:
        built, given = self.train.x.shape[1:], split.x.shape[1:]
        if given != built:
            raise ValueError(
                f"data: recordings of {given[0]} channels and {given[1]} samples, "
                f"but the model is built for {built[0]} channels and {built[1]} samples"
            )

    def save(self, folder: Path) -> None:
        """Writes everything that continuing needs."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.train.x.device) if self.train.x.is_cuda else None,
            "epoch": self.epoch,
            "codes_started": self.codes_started,
            "synthesis": self.model.synthesis,
        }
        save_training(folder, state)

    def restore(self, folder: Path) -> None:
        """Continues from what `save` wrote; training goes on as if it had never stopped."""
        state = load_training(folder)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch"])
        if state["cuda"] is not None and self.train.x.is_cuda:
            torch.cuda.set_rng_state(state["cuda"], self.train.x.device)
        self.epoch, self.codes_started = state["epoch"], state["codes_started"]
        self.model.synthesis = state["synthesis"]

    def export(self, folder: Path) -> None:
        """Writes the finished model with what its codes mean, and tables for people.

        `config.json` says what the model is to those who load it. The tables are `codes.csv`, a row per code,
        `confusion.csv`, what the linear classifiers say of the validation split, and what
        `model.sub_actions.scores` writes.
        """
        learnt, seen = collect(self.model, self.train), collect(self.model, self.validation)
        meaning = self._meaning(learnt)
        tensors = {name: torch.from_numpy(array) for name, array in meaning.tensors().items()}
        ShapeAction(self.model, self.metadata | meaning.names(), tensors).write(folder)
        write_codes(folder / CODES_FILE, meaning, self.model.teacher.text.owned.cpu().numpy())
        confusions = classify(self.model, learnt, self.train.y, seen, self.validation.y)
        write_confusions(folder / CONFUSION_FILE, confusions, meaning.classes)
        if self.vocabulary is not None:
            self.vocabulary.write(folder)

    def load_export(self, folder: Path) -> None:
        """Puts the weights that `export` wrote in place of this run's, to be measured again.

        Raises:
            CheckpointError: There are none, or they belong to a model of other sizes.
        """
        load_model(folder / MODEL_FILE, self.model)

    def _meaning(self, learnt: SplitOutputs) -> CodeMeaning:
        text = self.model.teacher.text
        # A run that was started without names numbers them.
        classes, sub_actions = (
            tuple(self.metadata.get(key) or map(str, range(n)))
            for key, n in zip(("classes", "sub_actions"), text.owned.shape, strict=True)
        )
        return read_meaning(self.model, learnt, self.train.y, sub_actions, classes)
