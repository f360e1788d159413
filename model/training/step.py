"""The gradient of one optimiser step: micro-batches one after another, recordings shared among replicas.

Owns how a step is cut up. Replicas share each micro-batch and its loss is that of all of it
(`model.training.replicas`), so several replicas give what one would. Micro-batches (`training.accumulate`) are the
larger cut: their gradients are added up, each weighted by its recordings, which needs the memory of one of them only;
but the contrastive loss then compares the recordings of a micro-batch alone, and other ratios are those of
micro-batches too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from model.configuration.reading import Configuration
from model.network.batch import Batch
from model.network.shape_action import ShapeActionNetwork, SignalOutput
from model.training.losses import LossTerms, loss_terms, total_loss
from model.training.replicas import Replicas


class StepOutcome(NamedTuple):
    """What a step leaves besides gradients; detached."""

    loss: Tensor  # scalar
    terms: LossTerms  # scalars
    z: Tensor  # (tokens of the step, code_dim)
    indices: Tensor  # (tokens of the step,)


class TrainingStep:
    """Forward and backward pass of a step, its recordings shared by the replicas.

    Of the configuration it reads loss weights, temperature and `training.accumulate`; `longest` is the upper bound of a
    window's length, a fraction of the series.
    """

    def __init__(self, model: ShapeActionNetwork, configuration: Configuration, longest: float, replicas: Replicas):
        self.model, self.configuration, self.longest, self.replicas = model, configuration, longest, replicas

    def __call__(self, batch: Batch, kept: Tensor | None, quantize: bool, action_weight: float) -> StepOutcome:
        """Adds the gradients of a step to the parameters', and returns the outcome for all of its recordings.

        The batch has all of them too; both are the same on every replica. `kept (series of the step, kept patches)`,
        int64, names the patches that are seen, None all. Without `quantize` the code before quantization is decoded, as
        in the warm-up. `action_weight` is w in (0, 1).
        """
        outcomes, weights = [], []
        # A recording by itself has nothing to be compared with, so the last, shorter step is cut less.
        parts = min(self.configuration.training.accumulate, max(1, len(batch.x) // 2))
        for rows in torch.arange(len(batch.x)).tensor_split(parts):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            weights.append(len(rows) / len(batch.x))
            outcomes.append(self._micro_batch(_take(batch, kept, part), quantize, action_weight, weights[-1]))
        self.replicas.mean_gradients(self.model.parameters())
        return _together(outcomes, weights)

    def _micro_batch(
        self, taken: tuple[Batch, Tensor | None], quantize: bool, action_weight: float, weight: float
    ) -> StepOutcome:
        c, batch = self.configuration, taken[0]
        own, kept = _take(*taken, self.replicas.share(len(batch.x)))
        output = self.model(own.x.flatten(0, 1), level=own.level, quantize=quantize, kept=kept)
        if self.replicas.size > 1:
            output = self._of_all(output, len(batch.x), quantize)
        terms = loss_terms(self.model, batch, output, self.longest, c.alignment.contrastive_temperature)
        loss = total_loss(terms, c.losses, action_weight)
        (loss * weight if weight != 1 else loss).backward()
        z, indices = output.attributes.z.detach().flatten(0, 1), output.quantized.indices.flatten()
        return StepOutcome(loss.detach(), LossTerms(*(term.detach() for term in terms)), z, indices)

    def _of_all(self, output: SignalOutput, recordings: int, quantize: bool) -> SignalOutput:
        """What the model gave for the recordings of all replicas."""
        scalar = output.quantized.loss
        whole = _map(lambda part: self.replicas.gather(part, recordings) if part is not scalar else part, output)
        if quantize:
            # Not a mean over tokens: its entropy term looks at how all of them share the codes.
            loss = self.model.quantizer(whole.attributes.z).loss
            whole = whole._replace(quantized=whole.quantized._replace(loss=loss))
        return whole


def _take(batch: Batch, kept: Tensor | None, rows: slice) -> tuple[Batch, Tensor | None]:
    """Some recordings of a batch, and the patches kept of their series."""
    series = batch.x.shape[1]
    of_rows = None if kept is None else kept[rows.start * series : rows.stop * series]
    return batch.take(rows), of_rows


def _map(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Changes every tensor in nested named tuples."""
    if isinstance(value, Tensor):
        return change(value)
    return type(value)(*(_map(change, part) for part in value))


def _together(outcomes: list[StepOutcome], weights: list[float]) -> StepOutcome:
    """One outcome of all micro-batches."""
    if len(outcomes) == 1:
        return outcomes[0]
    share = outcomes[0].loss.new_tensor(weights)
    losses = torch.stack([torch.stack([outcome.loss, *outcome.terms]) for outcome in outcomes])
    loss, *terms = (share @ losses).unbind()
    z, indices = (torch.cat([getattr(outcome, name) for outcome in outcomes]) for name in ("z", "indices"))
    return StepOutcome(loss, LossTerms(*terms), z, indices)
