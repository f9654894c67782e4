from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import ThreatModel, UsageError
from bench.domain.threat import format_epsilon, parse_epsilon


def test_distances_agree_with_their_definitions() -> None:
    clean = torch.zeros(1, 2, 1, 2)
    perturbed = torch.tensor([[[[0.3, 0.0]], [[0.4, 0.0]]]])
    wanted = {"linf": 0.4, "l2": 0.5, "l1": 0.7, "l0": 1.0}
    for norm, distance in wanted.items():
        assert ThreatModel(norm, Fraction(1, 2)).distance(clean, perturbed).item() == pytest.approx(distance, rel=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), numerator=st.integers(1, 200))
def test_what_is_projected_is_admitted(norm: str, seed: int, numerator: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    threat = ThreatModel(norm, Fraction(numerator, 255))
    clean = torch.rand((5, 3, 4, 4), generator=rng)
    wild = clean + torch.randn((5, 3, 4, 4), generator=rng)
    assert bool(threat.admits(clean, threat.project(clean, wild)).all())


def test_an_image_a_hundredth_of_a_percent_too_far_is_refused() -> None:
    threat = ThreatModel("linf", Fraction(8, 255))
    clean = torch.full((1, 1, 2, 2), 0.5)
    assert bool(threat.admits(clean, clean + threat.radius).all())
    assert not bool(threat.admits(clean, clean + threat.radius * 1.0001).any())


def test_the_known_overshoot_of_autoattack_is_admitted() -> None:
    threat = ThreatModel("l2", Fraction(1, 2))
    clean = torch.zeros(1, 1, 1, 2)
    assert bool(threat.admits(clean, torch.tensor([[[[0.5 * 1.0000075, 0.0]]]])).all())


@pytest.mark.parametrize("value", [-1e-7, 1 + 2e-7, float("nan"), float("inf")])
def test_pixels_outside_the_unit_range_are_refused(value: float) -> None:
    threat = ThreatModel("linf", Fraction(1))
    assert not bool(threat.admits(torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), value)).any())


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", "0"), ("linf", "-0.1"), ("linf", "8"), ("l3", "1")])
def test_a_budget_that_makes_no_sense_is_refused(norm: str, epsilon: str) -> None:
    with pytest.raises(UsageError):
        ThreatModel(norm, parse_epsilon(epsilon))


@pytest.mark.parametrize("text", ["8/255", "0.05", "128/255", "12", "0.5", "1/7"])
def test_epsilon_survives_its_own_text(text: str) -> None:
    assert format_epsilon(parse_epsilon(text)) == text
    threat = ThreatModel("l2", parse_epsilon(text))
    assert ThreatModel.from_document(threat.document()) == threat


def test_epsilon_that_is_no_number_says_how_to_write_one() -> None:
    with pytest.raises(UsageError, match="8/255"):
        parse_epsilon("8 of 255")
