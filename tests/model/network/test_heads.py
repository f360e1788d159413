from __future__ import annotations

import pytest
import torch
from scipy.stats import entropy

from model.network.heads import ActionDecoder, ActionHead, accumulate_meanings, kl_divergence


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_kl_agrees_with_scipy_also_where_p_is_0() -> None:
    p, q = draw(6, 5).softmax(-1), draw(6, 5, seed=1).softmax(-1)
    p[0, :2] = 0.0
    p = p / p.sum(-1, keepdim=True)
    kl = kl_divergence(p, q.log())
    for i in range(6):
        assert float(kl[i]) == pytest.approx(entropy(p[i].numpy(), q[i].numpy()))


def test_kl_is_0_for_equal_and_finite_for_impossible_predictions() -> None:
    p = draw(6, 5).softmax(-1)
    torch.testing.assert_close(kl_divergence(p, p.log()), torch.zeros(6).double(), atol=1e-12, rtol=0)
    one_hot = torch.tensor([1.0, 0.0])
    assert bool(kl_divergence(one_hot, torch.tensor([float("-inf"), 0.0])).isfinite())


def test_kl_has_a_finite_gradient_where_p_is_0() -> None:
    logits = draw(1, 3).requires_grad_()
    kl_divergence(torch.tensor([[1.0, 0.0, 0.0]]).double(), logits.log_softmax(-1)).sum().backward()
    assert logits.grad is not None
    expected = logits.detach().softmax(-1) - torch.tensor([[1.0, 0.0, 0.0]])
    torch.testing.assert_close(logits.grad, expected)


@pytest.mark.parametrize("module", [ActionHead(6, 4), ActionDecoder(6, 4)])
def test_predictions_are_distributions(module: torch.nn.Module) -> None:
    log_q = module(torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(log_q.exp().sum(-1), torch.ones(3, 5))


def test_accumulated_meanings_by_hand() -> None:
    index, p = torch.tensor([0, 2, 0, 2, 2]), draw(5, 3).softmax(-1)
    meanings = accumulate_meanings(index, p, codes=4, prior=1.0)
    mean = p.mean(0)
    torch.testing.assert_close(meanings[0], (p[0] + p[2] + mean) / 3)
    torch.testing.assert_close(meanings[2], (p[1] + p[3] + p[4] + mean) / 4)
    for unused in (1, 3):
        torch.testing.assert_close(meanings[unused], mean)
    torch.testing.assert_close(meanings.sum(-1), torch.ones(4).double())
