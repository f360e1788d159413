"""What sees labels, in training alone: the answer key, and the aligner with the class text.

The answer key says which sub-action the pieces in a token's window show, and gives the soft labels. It reads the pieces
and the text of the sub-actions, never a token: a token has seen the whole recording and knows its class, and among the
phrases of a class it would then be free to say anything. `model.training.answer_key` trains it once for all trials of a
run, by the loss of partial labels (Cour, Sapp and Taskar, JMLR 2011; Feng et al. 2020, arXiv 2007.08929); trials are
trained towards it and marked by it.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.network.alignment import Aligned, Aligner, ClassText, MovingAverage, pool, soft_labels
from model.network.batch import Batch
from model.network.shapes import extract_pieces, normalise_pieces

MEMBERS = 4  # networks whose answers are averaged: where one would be sure by chance, several differ
PIECE_SAMPLES = 32
WIDTH = 64
TEMPERATURE = 0.1  # of the cosine attention on the sub-actions' text
SMALLEST_SCALE = 0.01  # of the recording's deviation; nothing at all has no logarithm
SHARPNESS = 0.1  # weight of the entropy of what a window is given; see `partial_label_loss`


class AnswerKey(nn.Module):
    """From the pieces of all channels in a window to a distribution over the sub-actions.

    It is frozen but for `model.training.answer_key`. A piece is described by its normalised shape, its log-scale and
    its offset, relative to the recording. What the recording itself is like, such as how much it moves, is left out: it
    says the class, and names become free again.

    Args:
        text: The phrases of each class and the sub-actions that they fell into.
        channels: Channels of a recording.
        members: Networks whose answers are averaged.
    """

    def __init__(self, text: ClassText, channels: int, members: int = MEMBERS):
        super().__init__()
        self.body = nn.Sequential(
            MemberLinear(members, channels * (PIECE_SAMPLES + 2), WIDTH),
            nn.GELU(),
            MemberLinear(members, WIDTH, WIDTH),
            nn.GELU(),
            MemberLinear(members, WIDTH, WIDTH),
        )
        self.project = MemberLinear(members, text.text.shape[-1], WIDTH)
        self.register_buffer("text", sub_action_text(text), persistent=False)
        self.register_buffer("owned", text.owned, persistent=False)
        self.register_buffer("agreement", torch.zeros(()))
        self.text: Tensor  # (K, text_width)
        self.owned: Tensor  # (classes, K) of bool
        self.agreement: Tensor  # scalar, share of held-out windows that a key of another seed names alike; 0 before
        self.requires_grad_(False)

    def describe(self, x: Tensor, start: Tensor, length: Tensor) -> Tensor:
        """What the pieces of all channels in each window look like.

        Args:
            x: `(B, C, T)`, normalised.
            start: `(B, windows)`, fraction of the series.
            length: `(B, windows)`, fraction of the series.

        Returns:
            `(B, windows, C · (PIECE_SAMPLES + 2))`, without gradient.
        """
        channels = x.shape[1]
        start, length = (part.detach().repeat_interleave(channels, dim=0) for part in (start, length))
        piece = normalise_pieces(extract_pieces(x.flatten(0, 1), start, length, PIECE_SAMPLES))
        numbers = torch.stack([piece.offset, piece.scale.clamp_min(SMALLEST_SCALE).log()], dim=-1)
        described = torch.cat([piece.shape, numbers], dim=-1)
        return described.unflatten(0, (-1, channels)).transpose(1, 2).flatten(2)

    def forward(self, described: Tensor) -> Tensor:
        """Log-probabilities `(members, B, windows, K)` of the sub-actions of `describe`d windows; no class is known."""
        query = functional.normalize(self.body(described.flatten(0, 1)), dim=-1)
        keys = functional.normalize(self.project(self.text), dim=-1)
        log_a = functional.log_softmax(query @ keys.transpose(-1, -2) / TEMPERATURE, dim=-1)
        return log_a.unflatten(1, described.shape[:2])

    @torch.no_grad()
    def label(self, x: Tensor, start: Tensor, length: Tensor, y: Tensor) -> Tensor:
        """Soft labels `(B, windows, K)`: the distribution, restricted to what the class `y (B,)` owns.

        The other arguments are those of `describe`.
        """
        a = self(self.describe(x, start, length)).exp().mean(0)
        own = a * self.owned[y][:, None]
        return own / own.sum(-1, keepdim=True).clamp_min(1e-12)

    def members(self, which: slice) -> AnswerKey:
        """A copy that has some of the members alone."""
        part = copy.deepcopy(self)
        for layer in part.modules():
            if isinstance(layer, MemberLinear):
                for name, parameter in list(layer.named_parameters()):
                    setattr(layer, name, nn.Parameter(parameter[which].clone(), requires_grad=False))
        return part


class MemberLinear(nn.Module):
    """A linear layer of each member of an ensemble, started as torch starts its own."""

    def __init__(self, members: int, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights anew."""
        bound = self.weight.shape[1] ** -0.5
        for parameter in (self.weight, self.bias):
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `x (items, inputs)`, the same for all, or `(members, items, inputs)`, to `(members, items, outputs)`."""
        return torch.baddbmm(self.bias, x.expand(len(self.weight), -1, -1), self.weight)


def sub_action_text(text: ClassText) -> Tensor:
    """The mean embedding of the phrases of each sub-action, normalised: `(K, text_width)`."""
    summed = torch.einsum("cmw,cmk->kw", text.text, text.phrase_to_sub_action)
    return functional.normalize(summed, dim=-1)


def partial_label_loss(log_a: Tensor, owned: Tensor) -> Tensor:
    """What a key is trained by; means over windows and recordings.

    −ln Σ_{k in S_y} a_k asks each window for something its class does, KL(uniform on S_y ‖ mean of a) the recording for
    all that its class does. Where pieces tell the class, both are met by a uniform a, which says nothing more; so
    `SHARPNESS` times the entropy of a on S_y asks each window to choose. `log_a (..., B, windows, K)` are the
    log-probabilities a, `owned (B, K)` of bool the sub-actions of each recording's class.
    """
    own = log_a.masked_fill(~owned[:, None], -1e4)  # no −∞: its gradient is no number
    share = owned / owned.sum(-1, keepdim=True)
    mean = log_a.exp().mean(-2).clamp_min(1e-9)
    occurs = (torch.xlogy(share, share) - share * mean.log()).sum(-1)
    chosen = own.log_softmax(-1)
    entropy = -(chosen.exp() * chosen).sum(-1)
    return -own.logsumexp(-1).mean() + occurs.mean() + SHARPNESS * entropy.mean()


class TextTeacher(nn.Module):
    """The aligner, the answer key and the class text.

    Args:
        aligner: Trained by the contrastive loss.
        text: The phrases of each class.
        key: Gives the labels that every trial is marked by, and trained towards unless it has its own.
        momentum: Of a moving average of the aligner that gives the labels to train towards; None takes the key.
    """

    def __init__(self, aligner: Aligner, text: ClassText, key: AnswerKey, momentum: float | None = None):
        super().__init__()
        self.aligner, self.text, self.key = aligner, text, key
        self.slow = None if momentum is None else MovingAverage(aligner, momentum)

    def align(self, tokens: Tensor, y: Tensor, wording: Tensor | None = None) -> Aligned:
        """Aligns recordings with their class text.

        Args:
            tokens: `(B, signal tokens, width)`, unfused, all channels of a recording.
            y: `(B,)`, classes.
            wording: Optional `(B, M)`, which wording of each phrase is read; None reads the first.
        """
        return self.aligner(tokens, self.text.phrases(y, wording), self.text.present[y])

    def mark(self, batch: Batch, start: Tensor, length: Tensor) -> Tensor:
        """Soft labels `(B, signal tokens, K)` of the answer key, of windows `(B, signal tokens)`, without gradient."""
        return self.key.label(batch.x, start, length, batch.y)

    @torch.no_grad()
    def target(self, tokens: Tensor, batch: Batch, start: Tensor, length: Tensor) -> Tensor:
        """What the tokens `(B, signal tokens, width)` are trained towards; otherwise as `mark`."""
        if self.slow is None:
            return self.mark(batch, start, length)
        aligned = self.slow.average(tokens, self.text.phrases(batch.y, batch.wording), self.text.present[batch.y])
        return soft_labels(aligned.attention, self.text.phrase_to_sub_action[batch.y])

    def update(self) -> None:
        """Moves the average, where there is one, one step towards the aligner."""
        if self.slow is not None:
            self.slow.update(self.aligner)

    def similarities(self, tokens: Tensor) -> Tensor:
        """Cosines `(B, classes)` of pooled, unfused tokens with the pooled text of each class; no label is seen."""
        signal = self.aligner.project_signal(tokens).mean(1)
        anchors = pool(self.aligner.project_text(self.text.text), self.text.present)
        return functional.normalize(signal, dim=-1) @ functional.normalize(anchors, dim=-1).T
