from __future__ import annotations

import pytest
import torch

from model.configuration.reading import Configuration
from model.evaluation.evaluate import code_meanings, collect, evaluate
from model.evaluation.metrics import fvu
from model.evaluation.names import METRICS
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.building import build_model, longest_window
from model.network.shape_action import ShapeActionNetwork
from model.network.shapes import extract_pieces, stitch, straight_lines


def split(n: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, 64, generator=generator)
    return Batch((x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True), torch.arange(n) % 3)


@pytest.fixture(params=["action_head", "action_decoder"])
def model(small: dict, class_text: ClassText, request: pytest.FixtureRequest) -> ShapeActionNetwork:
    configuration = Configuration(**small | {"method": request.param})
    return build_model(configuration, class_text, 2)


def measure(model: ShapeActionNetwork, configuration: Configuration) -> dict[str, float]:
    return evaluate(model, split(9, 0), split(6, 1), longest_window(configuration), 0.1)


def test_all_metrics_are_finite_and_the_same_twice(model: ShapeActionNetwork, configuration: Configuration) -> None:
    first = measure(model, configuration)
    assert all(value == value and abs(value) < 1e9 for value in first.values())
    assert measure(model, configuration) == first
    assert tuple(first) == METRICS


def test_a_split_in_chunks_is_the_split_at_once(model: ShapeActionNetwork) -> None:
    whole, chunks = collect(model, split(9, 0)), collect(model, split(9, 0), recordings=4)
    for a, b in zip(whole, chunks, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_meanings_of_codes_are_distributions(model: ShapeActionNetwork) -> None:
    meanings = code_meanings(model, collect(model, split(9, 0))).exp()
    assert meanings.shape == (6, 5)
    torch.testing.assert_close(meanings.sum(-1), torch.ones(6))


def test_a_decoder_that_says_the_mean_label_has_ratio_1(
    small: dict, class_text: ClassText, configuration: Configuration
) -> None:
    model = build_model(configuration, class_text, 2)
    train, held_out = split(9, 0), split(6, 1)
    mean = collect(model, train).p.mean(0)
    last = model.action.layers[-1]
    torch.nn.init.zeros_(last.weight)
    last.bias.data = mean.clamp_min(1e-12).log()
    measured = evaluate(model, train, held_out, longest_window(configuration), 0.1)
    assert measured["action_kl_ratio"] == pytest.approx(1.0, abs=1e-4)
    assert measured["action_kl_ratio_shuffled"] == pytest.approx(1.0, abs=1e-4)


def test_codes_that_all_look_alike_are_not_necessary(class_text: ClassText, configuration: Configuration) -> None:
    model = build_model(configuration, class_text, 2)
    torch.nn.init.zeros_(model.shapes.layers[-1].weight)
    measured = measure(model, configuration)
    assert measured["code_necessity"] == pytest.approx(0.0, abs=1e-6)
    assert measured["distinct_shapes"] == 1.0


def test_the_held_out_labels_change_no_reconstruction(model: ShapeActionNetwork, configuration: Configuration) -> None:
    train, held_out = split(9, 0), split(6, 1)
    other = held_out._replace(y=(held_out.y + 1) % 3)
    longest = longest_window(configuration)
    first, second = evaluate(model, train, held_out, longest, 0.1), evaluate(model, train, other, longest, 0.1)
    for name in ("series_fvu", "stitch_fvu", "shape_skill", "code_necessity", "code_perplexity", "window_samples"):
        assert first[name] == second[name]


def test_window_metrics_are_medians_and_shares_in_samples(
    model: ShapeActionNetwork, configuration: Configuration
) -> None:
    seen, measured = collect(model, split(6, 1)), measure(model, configuration)
    middle = float((seen.length * 64).flatten().sort().values[95 // 2])
    assert measured["window_samples"] == pytest.approx(middle, rel=1e-5)
    assert 0.8 <= measured["covered_fraction"] <= 1.0


def test_windows_are_measured_in_recorded_samples(model: ShapeActionNetwork, configuration: Configuration) -> None:
    train, held_out, longest = split(9, 0), split(6, 1), longest_window(configuration)
    resampled = evaluate(model, train, held_out, longest, 0.1)
    recorded = evaluate(model, train, held_out, longest, 0.1, native_samples=16)
    for name in ("window_samples", "window_samples_spread", "window_start_spread"):
        assert recorded[name] == pytest.approx(resampled[name] * 16 / 64, rel=1e-5)
    others = resampled.keys() - {"window_samples", "window_samples_spread", "window_start_spread"}
    assert all(recorded[name] == resampled[name] for name in others)


def test_lines_are_stitched_in_the_same_windows(model: ShapeActionNetwork, configuration: Configuration) -> None:
    held_out, measured = split(6, 1), measure(model, configuration)
    seen = collect(model, held_out)
    pieces = extract_pieces(held_out.x.flatten(0, 1), seen.start, seen.length, 16)
    lines = stitch(straight_lines(pieces), seen.start, seen.length, 64).series.view_as(held_out.x)
    assert measured["line_fvu"] == pytest.approx(float(fvu(held_out.x, lines)), rel=1e-5)
    assert measured["stitch_line_ratio"] == pytest.approx(measured["stitch_fvu"] / measured["line_fvu"])


def test_ratios_within_classes_by_hand(model: ShapeActionNetwork, configuration: Configuration) -> None:
    train, held_out, measured = split(9, 0), split(6, 1), measure(model, configuration)
    learnt, seen = collect(model, train), collect(model, held_out)
    owned, table = model.teacher.text.owned, code_meanings(model, learnt).exp()
    y, of_train = (part.y.repeat_interleave(16) for part in (held_out, train))
    of_code = within = of_class = of_mean = of_token = 0.0
    named = {"token": 0.0, "code": 0.0, "within": 0.0, "class": 0.0, "constant": 0.0}
    for n, p in enumerate(seen.p):
        own = owned[y[n]]
        q = table[seen.indices[n]]
        mean = learnt.p[of_train == y[n]].mean(0)
        of_code += kl(p, q)
        within += kl(p[own], q[own] / q[own].sum())
        of_class += kl(p[own], mean[own])
        of_mean += kl(p, learnt.p.mean(0))
        of_token += kl(p, seen.log_q[n].exp())
        names = {"token": p.argmax(), "code": q.argmax(), "within": torch.where(own, q, 0).argmax()}
        names |= {"class": mean.argmax(), "constant": learnt.p.mean(0).argmax()}
        named = {of: named[of] + float(p[name]) for of, name in names.items()}
    assert measured["within_class_kl_ratio"] == pytest.approx(within / of_class, rel=1e-4)
    assert measured["class_oracle_ratio"] == pytest.approx(of_class / of_mean, rel=1e-4)
    assert measured["action_kl_ratio"] == pytest.approx(of_code / of_mean, rel=1e-4)
    pairs = {"naming_error": ("code", "constant"), "within_class_naming_error": ("within", "class")}
    for metric, (of, baseline) in pairs.items():
        lost = (named["token"] - named[of]) / (named["token"] - named[baseline])
        assert measured[metric] == pytest.approx(lost, rel=1e-4)
    assert measured["token_kl_ratio"] == pytest.approx(of_token / of_mean, rel=1e-4)


def kl(p: torch.Tensor, q: torch.Tensor) -> float:
    return float(torch.where(p > 0, p * (p / q).log(), 0.0).sum().detach())
