from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from bench import ThreatModel, UsageError, pixel_centres, warp


def images_and_flow(seed: int, largest: float, size: tuple[int, int] = (8, 6)) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand((3, 2, *size), generator=rng)
    return images, torch.empty(3, 2, *size).uniform_(-largest, largest, generator=rng)


def test_the_unit_is_that_of_torchs_affine_grid() -> None:
    images, _ = images_and_flow(0, 0.0)
    moved = torch.eye(2, 3).repeat(3, 1, 1)
    moved[:, 0, 2] = 0.3
    places = functional.affine_grid(moved, list(images.shape), align_corners=False)
    flow = torch.zeros(3, 2, 8, 6)
    flow[:, 0] = 0.3
    wanted = functional.grid_sample(images, places, padding_mode="border", align_corners=False)
    assert torch.allclose(warp(images, flow), wanted, atol=1e-6)


def sampled(images: Tensor, flow: Tensor) -> Tensor:
    """The same by torch's own sampler."""
    rows, columns = (pixel_centres(count).to(images) for count in images.shape[2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    places = torch.stack([x, y], -1) + flow.permute(0, 2, 3, 1)
    return functional.grid_sample(images, places, padding_mode="border", align_corners=False).clamp(0, 1)


@pytest.mark.parametrize("size", [(8, 8), (5, 9), (64, 48)])
@pytest.mark.parametrize("largest", [0.05, 0.9])
def test_values_and_gradients_are_those_of_torchs_sampler(size: tuple[int, int], largest: float) -> None:
    images, flow = (part.double() for part in images_and_flow(1, largest, size))
    cotangent = torch.randn(images.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = []
    for bend in (warp, sampled):
        leaves = images.clone().requires_grad_(), flow.clone().requires_grad_()
        bent = bend(*leaves)
        found.append((bent.detach(), *torch.autograd.grad(bent, leaves, cotangent)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-10)


def test_rounding_does_not_grow_with_the_image() -> None:
    images, flow = images_and_flow(1, 0.05, (224, 224))
    assert float((warp(images, flow) - warp(images.double(), flow.double())).abs().max()) < 1e-6
    assert float((sampled(images, flow) - sampled(images.double(), flow.double())).abs().max()) > 1e-6


def test_the_flows_gradient_goes_through_no_operation_that_adds_in_any_order() -> None:
    images, flow = images_and_flow(1, 0.05)
    nodes, left = set(), [warp(images, flow.requires_grad_()).grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            left.extend(further for further, _ in node.next_functions)
    names = {type(node).__name__ for node in nodes}
    assert "AccumulateGrad" in names
    assert not names & {"GridSampler2DBackward0", "GatherBackward0", "IndexBackward0", "IndexSelectBackward0"}


def test_no_flow_changes_nothing() -> None:
    images, flow = images_and_flow(0, 0.0)
    assert torch.allclose(warp(images, flow), images, atol=1e-6)


def test_a_flow_of_one_pixel_shifts_the_image_and_repeats_its_border() -> None:
    images = torch.rand((2, 1, 5, 9), generator=torch.Generator().manual_seed(3))
    along_width = torch.zeros(2, 2, 5, 9)
    along_width[:, 0] = 2 / 9
    shifted = torch.cat([images[..., 1:], images[..., -1:]], -1)
    assert torch.allclose(warp(images, along_width), shifted, atol=1e-5)
    along_height = torch.zeros(2, 2, 5, 9)
    along_height[:, 1] = -2 / 5
    shifted = torch.cat([images[..., :1, :], images[..., :-1, :]], -2)
    assert torch.allclose(warp(images, along_height), shifted, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([(8, 8), (5, 9), (64, 48)]), largest=st.floats(0, 0.05))
def test_what_a_flow_within_the_budget_makes_is_admitted(seed: int, size: tuple[int, int], largest: float) -> None:
    images, flow = images_and_flow(seed, largest, size)
    threat = ThreatModel("flow", Fraction("0.05"))
    assert bool(threat.admits(images, warp(images, flow), flow).all())
    assert threat.distance(images, warp(images, flow), flow).amax() == flow.double().abs().amax()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), over=st.floats(1.001, 30))
def test_a_flow_beyond_the_budget_is_refused(seed: int, over: float) -> None:
    images, flow = images_and_flow(seed, 0.05)
    flow = flow / flow.flatten(1).abs().amax(1).view(-1, 1, 1, 1) * 0.05 * over
    assert not bool(ThreatModel("flow", Fraction("0.05")).admits(images, warp(images, flow), flow).any())


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), change=st.floats(0.001, 0.5))
def test_an_image_that_is_not_what_its_flow_makes_is_refused(seed: int, change: float) -> None:
    images, flow = images_and_flow(seed, 0.05)
    forged = warp(images, flow)
    forged[:, 0, 2, 3] = (forged[:, 0, 2, 3] + change) % 1
    assert not bool(ThreatModel("flow", Fraction("0.05")).admits(images, forged, flow).any())


@pytest.mark.parametrize("norm", ["flow", "corruption"])
def test_nothing_is_admitted_without_a_witness_of_the_right_shape(norm: str) -> None:
    images, _ = images_and_flow(0, 0.0)
    threat = ThreatModel(norm, Fraction(1))
    for witness in (None, torch.zeros(2), torch.full((3,), torch.nan), torch.full((3, 2, 8, 6), torch.nan)):
        assert not bool(threat.admits(images, images, witness).any())


@settings(max_examples=60, deadline=None)
@given(claimed=st.integers(1, 5), allowed=st.integers(1, 5), brightest=st.floats(0.5, 1.5))
def test_a_corruption_is_admitted_up_to_its_severity_and_within_the_pixel_range(
    claimed: int, allowed: int, brightest: float
) -> None:
    images = torch.rand((3, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    corrupted = images.clone()
    corrupted[:, 0, 0, 0] = brightest
    admitted = ThreatModel("corruption", Fraction(allowed)).admits(images, corrupted, torch.full((3,), float(claimed)))
    assert admitted.tolist() == [claimed <= allowed and brightest <= 1] * 3


@pytest.mark.parametrize("severity", ["0.5", "6", "7/2"])
def test_a_severity_is_a_whole_number_from_1_to_5(severity: str) -> None:
    with pytest.raises(UsageError, match="1, 2, 3, 4 or 5"):
        ThreatModel("corruption", Fraction(severity))
