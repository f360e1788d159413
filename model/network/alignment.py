"""Signal meets text: the shared projection, two cross-attentions, the contrastive loss and its soft labels.

What it returns trains the signal path through the contrastive loss; nothing of it is quantised or decoded, since at
inference there is the signal alone. Its attention gives soft labels too, with `alignment.key: own`; `teacher` has those
that count.
The contrastive loss is the supervised one of Khosla et al. 2020 (arXiv 2004.11362, L_out), across the two modalities.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


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
        self.phrase_to_sub_action: Tensor  # (classes, M, K), one-hot; zero rows are padding
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


class CosineCrossAttention(nn.Module):
    """Cosine attention with a residual; returns what each query looked at.

    Queries and keys are normalised, so that the temperature alone says how sharply a query chooses. With the usual
    scaling the weights of an untrained layer are all but uniform, and every token would get the same soft label.

    Args:
        width: Width of queries and keys.
        heads: Attention heads.
        temperature: Of the softmax over cosines.
    """

    def __init__(self, width: int, heads: int, temperature: float):
        super().__init__()
        self.heads, self.temperature = heads, temperature
        self.to_query, self.to_key, self.to_value = (nn.Linear(width, width) for _ in range(3))
        self.to_output = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Attends.

        Args:
            queries: `(batch, queries, width)`.
            keys: `(batch, keys, width)`, also the values.
            present: Optional `(batch, keys)` of bool; False keys get no weight.

        Returns:
            `(batch, queries, width)` and the weights `(batch, queries, keys)`, averaged over heads.
        """
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.to_query, queries), (self.to_key, keys), (self.to_value, keys))
        )
        cosine = functional.normalize(q, dim=-1) @ functional.normalize(k, dim=-1).transpose(-1, -2)
        logits = cosine / self.temperature
        if present is not None:
            logits = logits.masked_fill(~present[:, None, None], float("-inf"))
        weights = logits.softmax(-1)
        attended = self.to_output((weights @ v).transpose(1, 2).flatten(2))
        return queries + attended, weights.mean(1)


class Aligned(NamedTuple):
    """What the aligner gives for a batch; `B` recordings, `M` phrases, `A` the shared width."""

    signal: Tensor  # (B, A), pooled signal tokens before fusion
    text: Tensor  # (B, A), pooled phrases before fusion
    fused_signal: Tensor  # (B, A), pooled F_s
    fused_text: Tensor  # (B, A), pooled F_t
    attention: Tensor  # (B, signal tokens, M), rows sum to 1


class Aligner(nn.Module):
    """Projects both modalities into one space and lets each look at the other.

    Args:
        signal_width: Width of a signal token (D).
        text_width: Width of a phrase embedding.
        width: Width of the shared projection (A).
        heads: Attention heads.
        temperature: Of the attention.
    """

    def __init__(self, signal_width: int, text_width: int, width: int, heads: int, temperature: float):
        super().__init__()
        self.text_projection = nn.Linear(text_width, signal_width)
        self.shared = nn.Sequential(nn.LayerNorm(signal_width), nn.Linear(signal_width, width))
        self.signal_to_text = CosineCrossAttention(width, heads, temperature)
        self.text_to_signal = CosineCrossAttention(width, heads, temperature)

    def project_signal(self, tokens: Tensor) -> Tensor:
        """`(..., signal_width)` to `(..., width)`."""
        return self.shared(tokens)

    def project_text(self, phrases: Tensor) -> Tensor:
        """`(..., text_width)` to `(..., width)`."""
        return self.shared(self.text_projection(phrases))

    def forward(self, tokens: Tensor, phrases: Tensor, present: Tensor) -> Aligned:
        """Aligns recordings with the text of their class.

        Args:
            tokens: `(B, signal tokens, signal_width)`, all channels of a recording.
            phrases: `(B, M, text_width)`.
            present: `(B, M)` of bool; False is padding.
        """
        signal, text = self.project_signal(tokens), self.project_text(phrases)
        fused_signal, attention = self.signal_to_text(signal, text, present)
        fused_text, _ = self.text_to_signal(text, signal)
        return Aligned(signal.mean(1), pool(text, present), fused_signal.mean(1), pool(fused_text, present), attention)


def pool(x: Tensor, present: Tensor) -> Tensor:
    """Mean of `x (batch, items, width)` over the items that `present (batch, items)` names."""
    share = present.to(x.dtype) / present.sum(-1, keepdim=True)
    return (share[..., None] * x).sum(-2)


def soft_labels(attention: Tensor, phrase_to_sub_action: Tensor) -> Tensor:
    """Adds the attention on phrases up into a distribution over sub-actions.

    Args:
        attention: `(B, signal tokens, M)`, rows sum to 1.
        phrase_to_sub_action: `(B, M, K)`, one-hot rows; zero rows for padding.

    Returns:
        `(B, signal tokens, K)`; 0 for every sub-action that the class does not own; detached.
    """
    p = (attention @ phrase_to_sub_action).detach()
    return p / p.sum(-1, keepdim=True)


def contrastive_loss(signal: Tensor, text: Tensor, y: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss in both directions: every pair of the same class is a positive.

    For anchor i: −1 / |P(i)| Σ_{j ∈ P(i)} ln softmax_j(cos(i, ·) / τ), P(i) the partners of i's class in the other
    modality. Its floor is the mean of ln |P(i)|, its chance level ln B, per direction.

    Args:
        signal: `(B, width)`.
        text: `(B, width)`.
        y: `(B,)`, classes.
        temperature: τ.

    Returns:
        Scalar, the sum of the two directions, in nats.
    """
    cosine = functional.normalize(signal, dim=-1) @ functional.normalize(text, dim=-1).T / temperature
    same = (y[:, None] == y[None, :]).to(cosine.dtype)
    positives = same / same.sum(-1, keepdim=True)
    forward = -(positives * cosine.log_softmax(-1)).sum(-1).mean()
    backward = -(positives * cosine.T.log_softmax(-1)).sum(-1).mean()
    return forward + backward


class MovingAverage(nn.Module):
    """A slowly moving copy of a module; gives the soft labels, so that target and prediction do not drift together.

    Args:
        module: What is copied.
        momentum: Share of the old copy that each step keeps.
    """

    def __init__(self, module: nn.Module, momentum: float):
        super().__init__()
        self.average = copy.deepcopy(module).requires_grad_(False)
        self.momentum = momentum

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Moves the copy one step towards `module`."""
        torch._foreach_lerp_(list(self.average.parameters()), list(module.parameters()), 1 - self.momentum)
