from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from model.evaluation import metrics
from model.evaluation.evaluate import class_means
from model.network.shapes import extract_pieces, line_errors, unexplained_by_shapes


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distributions(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    p = draw(rows, columns, seed=seed).softmax(-1)
    p[0, 0] = 0.0
    return p / p.sum(-1, keepdim=True)


def kl_by_hand(p: np.ndarray, q: np.ndarray) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def test_fvu_is_the_mean_over_channels_of_residual_over_variance() -> None:
    x, rebuilt = draw(4, 3, 20), draw(4, 3, 20, seed=1)
    expected = []
    for c in range(3):
        error = spread = 0.0
        for r in range(4):
            mean = x[r, c].mean()
            error += float(((x[r, c] - rebuilt[r, c]) ** 2).sum())
            spread += float(((x[r, c] - mean) ** 2).sum())
        expected.append(error / spread)
    assert float(metrics.fvu(x, rebuilt)) == pytest.approx(np.mean(expected))


def test_fvu_is_1_for_the_channel_mean_and_0_for_the_series_itself() -> None:
    x = draw(4, 3, 20)
    assert float(metrics.fvu(x, x.mean(-1, keepdim=True).expand_as(x))) == pytest.approx(1.0)
    assert float(metrics.fvu(x, x)) == 0.0


def test_fvu_leaves_out_a_channel_that_never_varies() -> None:
    x, rebuilt = draw(4, 3, 20), draw(4, 3, 20, seed=1)
    x[:, 1] = 2.0
    assert float(metrics.fvu(x, rebuilt)) == pytest.approx(float(metrics.fvu(x[:, [0, 2]], rebuilt[:, [0, 2]])))


def test_line_errors_are_those_of_a_least_squares_fit() -> None:
    pieces = draw(3, 5, 16)
    u = np.arange(16)
    for i in range(3):
        for j in range(5):
            piece = pieces[i, j].numpy()
            fit = np.polyval(np.polyfit(u, piece, 1), u)
            assert float(line_errors(pieces)[i, j]) == pytest.approx(((piece - fit) ** 2).sum())


def test_shape_skill_by_a_loop_and_at_its_marks() -> None:
    pieces, decoded, length = draw(3, 5, 16), draw(3, 5, 16, seed=1), draw(3, 5, seed=2).sigmoid()
    error = line = 0.0
    u = np.arange(16)
    for i in range(3):
        for j in range(5):
            piece = pieces[i, j].numpy()
            fit = np.polyval(np.polyfit(u, piece, 1), u)
            error += float(length[i, j]) * ((decoded[i, j].numpy() - piece) ** 2).sum()
            line += float(length[i, j]) * ((fit - piece) ** 2).sum()
    assert float(metrics.shape_skill(decoded, pieces, length)) == pytest.approx(1 - error / line)
    assert float(metrics.shape_skill(pieces, pieces, length)) == pytest.approx(1.0)


def test_as_a_loss_the_skill_does_not_reward_a_window_for_shrinking() -> None:
    """In ever shorter windows every piece is nearly a line: the absolute error vanishes, the relative one does not."""
    u = torch.linspace(0, 1, 4001, dtype=torch.float64)
    x = (u + u**2)[None]
    absolute, relative = [], []
    for width in (0.4, 0.1, 0.025):
        length = torch.tensor([[width]]).double()
        pieces = extract_pieces(x, torch.tensor([[0.1]]).double(), length, 64)
        decoded = pieces.mean(-1, keepdim=True).expand_as(pieces)
        absolute.append(float((pieces - decoded).square().mean()))
        relative.append(float(unexplained_by_shapes(decoded, pieces, length)))
    assert absolute[0] > 5 * absolute[1] > 25 * absolute[2]
    assert relative[0] < relative[1] < relative[2]


def test_shape_correlation_is_the_weighted_mean_of_numpy_correlations() -> None:
    pieces, shapes, length = draw(3, 5, 16), draw(3, 5, 16, seed=1), draw(3, 5, seed=2).sigmoid()
    total = weights = 0.0
    for i in range(3):
        for j in range(5):
            weight = float(length[i, j]) * pieces[i, j].numpy().std()
            total += weight * np.corrcoef(pieces[i, j], shapes[i, j])[0, 1]
            weights += weight
    assert float(metrics.shape_correlation(shapes, pieces, length)) == pytest.approx(total / weights, abs=1e-6)


def test_kl_ratio_by_hand() -> None:
    p, q = distributions(30, 5), distributions(30, 5, seed=1).clamp_min(1e-3)
    mean = p.mean(0)
    above = sum(kl_by_hand(p[i].numpy(), q[i].numpy()) for i in range(30))
    below = sum(kl_by_hand(p[i].numpy(), mean.numpy()) for i in range(30))
    assert float(metrics.kl_ratio(p, q.log(), mean)) == pytest.approx(above / below)


def test_kl_ratio_is_1_for_the_constant_predictor_and_0_for_a_perfect_one() -> None:
    p = distributions(30, 5)
    mean = p.mean(0)
    assert float(metrics.kl_ratio(p, mean.log().expand_as(p), mean)) == pytest.approx(1.0)
    assert float(metrics.kl_ratio(p, p.clamp_min(1e-30).log(), mean)) == pytest.approx(0.0, abs=1e-9)


def test_target_information_of_one_hot_labels_is_1_and_of_equal_ones_0() -> None:
    one_hot = torch.eye(5, dtype=torch.float64).repeat(4, 1)
    assert float(metrics.target_information(one_hot, one_hot.mean(0))) == pytest.approx(1.0)
    same = distributions(1, 5).repeat(8, 1)
    assert float(metrics.target_information(same, same.mean(0))) == pytest.approx(0.0, abs=1e-9)


def test_token_specificity_is_0_when_the_label_says_the_class_alone_and_1_when_it_is_one_hot() -> None:
    owned = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=torch.bool)
    y = torch.tensor([0, 0, 1, 1])
    class_only = owned[y].double() / 2
    assert float(metrics.token_specificity(class_only, y, owned)) == pytest.approx(0.0, abs=1e-9)
    assert float(metrics.token_specificity(torch.eye(4, dtype=torch.float64), y, owned)) == pytest.approx(1.0)


def test_token_specificity_by_a_loop_with_unequal_classes() -> None:
    owned = torch.tensor([[1, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 0]], dtype=torch.bool)
    y = torch.tensor([0, 0, 0, 1, 1, 2])
    p = distributions(6, 4) * owned[y]
    p = p / p.sum(-1, keepdim=True)
    total = 0.0
    for i in range(6):
        size = int(owned[y[i]].sum())
        if size > 1:
            mean = p[y == y[i]].mean(0).numpy()
            total += kl_by_hand(p[i].numpy(), mean) / math.log(size)
    assert float(metrics.token_specificity(p, y, owned)) == pytest.approx(total / 6)


def test_set_mass_adds_up_the_probabilities_of_the_own_set() -> None:
    owned = torch.tensor([[1, 1, 0], [0, 1, 1]], dtype=torch.bool)
    q = torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.6, 0.3]])
    assert float(metrics.set_mass(q.log(), torch.tensor([0, 1]), owned)) == pytest.approx((0.5 + 0.9) / 2)


def test_perplexity_counts_codes_that_are_used_alike() -> None:
    assert float(metrics.perplexity(torch.tensor([5, 5, 5, 0]))) == pytest.approx(3.0)
    assert float(metrics.perplexity(torch.tensor([9, 0, 0]))) == pytest.approx(1.0)


def test_mutual_information_of_independent_and_of_identical_variables() -> None:
    independent = torch.outer(torch.tensor([0.3, 0.7]), torch.tensor([0.2, 0.3, 0.5]))
    assert float(metrics.mutual_information(independent)) == pytest.approx(0.0, abs=1e-7)
    assert float(metrics.mutual_information(torch.eye(4))) == pytest.approx(math.log(4))


def test_mutual_information_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import mutual_info_score

    table = torch.randint(0, 9, (4, 6), generator=torch.Generator().manual_seed(3))
    expected = mutual_info_score(None, None, contingency=table.numpy())
    assert float(metrics.mutual_information(table)) == pytest.approx(expected)


def test_quantization_error_is_relative_to_the_variance() -> None:
    z = draw(40, 3)
    assert float(metrics.quantization_error(z, z)) == 0.0
    assert float(metrics.quantization_error(z, z.mean(0).expand_as(z))) == pytest.approx(1.0)


def test_distinct_shapes_ignores_sign_scale_and_offset() -> None:
    a, b = draw(2, 32)
    assert metrics.distinct_shapes(torch.stack([a, -3 * a + 1, b, 2 * b, a + 1e-4 * b])) == 2


def test_metrics_do_not_depend_on_the_order_of_tokens() -> None:
    p, q = distributions(30, 5), distributions(30, 5, seed=1).clamp_min(1e-3)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    mean = p.mean(0)
    assert float(metrics.kl_ratio(p[order], q[order].log(), mean)) == pytest.approx(
        float(metrics.kl_ratio(p, q.log(), mean))
    )


def test_a_prediction_that_knows_the_class_has_all_its_mass_on_the_set() -> None:
    q, owned = distributions(3, 4), torch.tensor([[True, True, False, False], [False] * 3 + [True], [True] * 4])
    found = metrics.restricted(q.log(), owned).exp()
    for row, own, restricted in zip(q, owned, found, strict=True):
        expected = torch.where(own, row, 0.0)
        torch.testing.assert_close(restricted, expected / expected.sum())


def test_what_only_says_the_class_has_a_ratio_of_1_within_it_and_that_of_the_oracle_over_all() -> None:
    """Two classes of two sub-actions each: the class means predict each token of a class alike."""
    p = torch.tensor([[0.9, 0.1, 0, 0], [0.3, 0.7, 0, 0], [0, 0, 0.2, 0.8], [0, 0, 0.4, 0.6]], dtype=torch.float64)
    y, owned = torch.tensor([0, 0, 1, 1]), torch.tensor([[True, True, False, False], [False, False, True, True]])
    means = class_means(p, y, owned)
    torch.testing.assert_close(means, torch.tensor([[0.6, 0.4, 0, 0], [0, 0, 0.3, 0.7]], dtype=torch.float64))
    says_class = means[y].clamp_min(1e-12).log()
    assert float(metrics.kl_ratio(p, says_class, means[y])) == pytest.approx(1.0)
    of_mean = sum(kl_by_hand(row.tolist(), p.mean(0).tolist()) for row in p)
    beyond = sum(kl_by_hand(row.tolist(), means[c].tolist()) for row, c in zip(p, y, strict=True))
    assert float(metrics.kl_ratio(p, says_class, p.mean(0))) == pytest.approx(beyond / of_mean)
    other = class_means(p[:2], y[:2], owned)
    torch.testing.assert_close(other[1], torch.tensor([0, 0, 0.5, 0.5], dtype=torch.float64))


def test_the_naming_error_is_the_share_of_what_names_could_gain() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.1, 0.4]], dtype=torch.float64)
    mean = p.mean(0)  # the best constant name is the first: it has 1.3 of the 2.0 that can be had
    as_labels = (100 * p).log_softmax(-1)
    assert float(metrics.naming_error(p, as_labels, mean)) == pytest.approx(0.0)
    always_first = torch.tensor([[5.0, 0.0, 0.0]], dtype=torch.float64).expand(3, 3).log_softmax(-1)
    assert float(metrics.naming_error(p, always_first, mean)) == pytest.approx(1.0)
    last_wrong = torch.eye(3, dtype=torch.float64)[[0, 1, 2]].clamp_min(1e-9).log()
    assert float(metrics.naming_error(p, last_wrong, mean)) == pytest.approx((2.0 - 1.9) / (2.0 - 1.3))
