"""The text of each class as tensors: embedded phrases, their other wordings, and the sub-actions they belong to."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ClassText(nn.Module):
    """The phrases of each class, embedded once by the frozen encoder, and the sub-actions that they fell into.

    Args:
        embeddings: One `(phrases of the class, text_width)` per class.
        clusters: One list per class: the sub-action of each of its phrases.
        sub_actions: Sub-actions in the vocabulary (K).
        others: Other wordings, per class and phrase `(other wordings of the phrase, text_width)`, of which there may
            be none; None where no phrase has any.
    """

    def __init__(
        self,
        embeddings: list[Tensor],
        clusters: list[list[int]],
        sub_actions: int,
        others: list[list[Tensor]] | None = None,
    ):
        super().__init__()
        most = max(len(e) for e in embeddings)
        text = torch.zeros(len(embeddings), most, embeddings[0].shape[-1])
        phrase_to_sub_action = torch.zeros(len(embeddings), most, sub_actions)
        for y, (phrases, owners) in enumerate(zip(embeddings, clusters, strict=True)):
            text[y, : len(phrases)] = phrases
            phrase_to_sub_action[y, torch.arange(len(phrases)), torch.tensor(owners)] = 1.0
        self.register_buffer("text", text)
        self.register_buffer("phrase_to_sub_action", phrase_to_sub_action)
        self.text: Tensor  # (classes, M, text_width)
        self.belongs: Tensor  # (classes, M, K), one-hot; zero rows are padding
        wordings, wording_counts = _all_wordings(text, others or [])
        # Not in checkpoints: at inference there is no text, and evaluation takes the first wording.
        self.register_buffer("wordings", wordings, persistent=False)
        self.register_buffer("wording_counts", wording_counts, persistent=False)
        self.wordings: Tensor  # (classes, M, W, text_width), the first wording of a phrase first; zeros are padding
        self.wording_counts: Tensor  # (classes, M), wordings of each phrase; 1 for padding

    @property
    def present(self) -> Tensor:
        """`(classes, M)` of bool: False is padding."""
        return self.phrase_to_sub_action.sum(-1) > 0

    @property
    def owned(self) -> Tensor:
        """`(classes, K)` of bool: the sub-actions S_y of each class."""
        return self.phrase_to_sub_action.sum(1) > 0

    def draw_wordings(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Draws a wording of every phrase of every recording, all alike likely.

        Args:
            y: `(B,)`, classes.
            generator: Source of the draw (CPU).

        Returns:
            `(B, M)`, int64, indices into `wordings`.
        """
        drawn = torch.rand(len(y), self.wording_counts.shape[1], generator=generator)
        return (drawn.to(y.device, non_blocking=True) * self.wording_counts[y]).long()

    def phrases(self, y: Tensor, wording: Tensor | None = None) -> Tensor:
        """The phrases `(B, M, text_width)` of classes `y (B,)`; `wording (B, M)` None takes the first of each."""
        if wording is None:
            return self.text[y]
        return self.wordings[y[:, None], torch.arange(wording.shape[1], device=y.device), wording]


def _all_wordings(text: Tensor, others: list[list[Tensor]]) -> tuple[Tensor, Tensor]:
    """Puts the first wordings `(classes, M, width)` and the others together, and counts them."""
    wording_counts = torch.ones(text.shape[:2], dtype=torch.long)
    for y, phrases in enumerate(others):
        for m, wordings in enumerate(phrases):
            wording_counts[y, m] += len(wordings)
    padded = text.new_zeros(*text.shape[:2], int(wording_counts.max()), text.shape[2])
    padded[:, :, 0] = text
    for y, phrases in enumerate(others):
        for m, wordings in enumerate(phrases):
            padded[y, m, 1 : 1 + len(wordings)] = wordings
    return padded, wording_counts
