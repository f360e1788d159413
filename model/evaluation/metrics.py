"""What is measured: reconstruction, action, guards and codebook, as plain functions of tensors.

Each function is one formula with no model in it, so that a test can check it against a closed form or a loop.
Reconstruction errors are fractions of variance unexplained (FVU; 1 is no better than the channel mean), divergences
are in nats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from model.network.heads import kl_divergence
from model.network.shapes import normalise_pieces, unexplained_by_shapes

_TINY = 1e-12


def fvu(x: Tensor, rebuilt: Tensor) -> Tensor:
    """Mean over channels of Σ(x − x̂)² / Σ(x − x̄)², x̄ the mean of each recording's channel.

    Both are `(recordings, channels, T)`. A channel that is constant in every recording is left out.
    """
    error = (x - rebuilt).square().sum((0, 2))
    spread = (x - x.mean(-1, keepdim=True)).square().sum((0, 2))
    varies = spread > _TINY
    return (error[varies] / spread[varies]).mean()


def shape_skill(decoded: Tensor, pieces: Tensor, length: Tensor) -> Tensor:
    """1 − Σ l·SSE(ŝ, s) / Σ l·SSE(best straight line, s): tiny windows, which any line fits, do not win.

    Arguments as for `unexplained_by_shapes`.
    """
    return 1 - unexplained_by_shapes(decoded, pieces, length)


def shape_correlation(shapes: Tensor, pieces: Tensor, length: Tensor) -> Tensor:
    """Mean correlation ρ of shape and piece, weighted by l · σ of the piece.

    Shapes and pieces are `(series, tokens, samples)`, `length (series, tokens)` a fraction of the series.
    """
    target = normalise_pieces(pieces)
    rho = (normalise_pieces(shapes).shape * target.shape).mean(-1)
    weight = length * target.scale
    return (weight * rho).sum() / weight.sum().clamp_min(_TINY)


def kl_ratio(p: Tensor, log_q: Tensor, mean: Tensor) -> Tensor:
    """Σ KL(p ‖ q) / Σ KL(p ‖ p̄): 0 is perfect, 1 a predictor that always says p̄.

    Soft labels `p` and predicted log-probabilities are `(tokens, sub_actions)`; `mean` is p̄ of the training split,
    `(sub_actions,)`, or that of each token's class, `(tokens, sub_actions)`.
    """
    baseline = kl_divergence(p, mean.clamp_min(_TINY).log()).sum()
    return kl_divergence(p, log_q).sum() / baseline.clamp_min(_TINY)


def naming_error(p: Tensor, log_q: Tensor, mean: Tensor) -> Tensor:
    """Σ (max p − p[name]) / Σ (max p − p[best constant name]): 0 names as the label does, 1 says one name always.

    The name of a token is the likeliest of what is predicted; arguments as for `kl_ratio`. Unlike a divergence it does
    not punish a prediction that is surer than the label.
    """
    lost, of_constant = naming_losses(p, log_q, mean)
    return lost.sum() / of_constant.sum().clamp_min(_TINY)


def naming_losses(p: Tensor, log_q: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """What each token's name, and the best constant one, give away: max p − p[name], `(tokens,)` each, 0 or more.

    Arguments as for `kl_ratio`; where `mean` is that of each token's class, the constant name is the class's.
    """
    most, constant = p.max(-1).values, mean.expand_as(p).argmax(-1, keepdim=True)
    named = p.gather(-1, log_q.argmax(-1, keepdim=True))
    return most - named[:, 0], most - p.gather(-1, constant)[:, 0]


def restricted(log_q: Tensor, owned: Tensor) -> Tensor:
    """Log-probabilities `(tokens, sub_actions)` of a prediction that knows the class: q on S_y, normalised.

    `owned (tokens, sub_actions)` of bool are the sub-actions of each token's class.
    """
    return log_q.clamp_min(-1e4).masked_fill(~owned, float("-inf")).log_softmax(-1)


def target_information(p: Tensor, mean: Tensor) -> Tensor:
    """E KL(p ‖ p̄) / ln K: how much the soft labels `p (tokens, K)` say at all; `mean (K,)` is p̄."""
    return kl_divergence(p, mean.clamp_min(_TINY).log()).mean() / math.log(p.shape[-1])


def token_specificity(p: Tensor, y: Tensor, owned: Tensor) -> Tensor:
    """E KL(p ‖ p̄_class) / ln |S_y|: how much the soft labels `p (tokens, sub_actions)` say beyond the class.

    Each token has the class `y (tokens,)` of its recording, and classes own S_y, `owned (classes, sub_actions)` of
    bool; those that own a single sub-action count 0.
    """
    total = p.new_zeros(())
    for c in y.unique().tolist():
        of_class, size = p[y == c], int(owned[c].sum())
        if size > 1:
            total = total + kl_divergence(of_class, of_class.mean(0).clamp_min(_TINY).log()).sum() / math.log(size)
    return total / len(p)


def set_mass(log_q: Tensor, y: Tensor, owned: Tensor) -> Tensor:
    """Mean Σ_{a in S_y} q(a): the mass of `log_q (tokens, sub_actions)` on the sub-actions of the true class.

    Arguments as for `token_specificity`.
    """
    return (log_q.exp() * owned[y]).sum(-1).mean()


def perplexity(counts: Tensor) -> Tensor:
    """Effective number of codes in use: exp of the entropy of their shares, from `counts (codes,)`."""
    share = counts.double() / counts.sum()
    return torch.exp(-torch.xlogy(share, share).sum())


def mutual_information(joint: Tensor) -> Tensor:
    """Mutual information, in nats, of a joint table of non-negative weights `(rows, columns)`."""
    joint = joint.double() / joint.sum()
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return (torch.xlogy(joint, joint) - torch.xlogy(joint, independent)).sum()


def quantization_error(z: Tensor, code: Tensor) -> Tensor:
    """Σ‖z − code‖² / Σ‖z − z̄‖² over tokens; both are `(tokens, code_dim)`."""
    return (z - code).square().sum() / (z - z.mean(0)).square().sum().clamp_min(_TINY)


def distinct_shapes(shapes: Tensor, threshold: float = 0.95) -> int:
    """Number of `shapes (codes, samples)` that differ: the first, then each whose |ρ| to all kept ones is small enough.

    Two distinct shapes have at most a |ρ| of `threshold`.
    """
    normal = normalise_pieces(shapes.double()).shape
    alike = (normal @ normal.T / normal.shape[-1]).abs() > threshold
    kept: list[int] = []
    for code, row in enumerate(alike.tolist()):
        if not any(row[other] for other in kept):
            kept.append(code)
    return len(kept)
