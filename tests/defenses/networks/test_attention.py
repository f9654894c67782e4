"""Joined attention is diffusers' own, to rounding."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn

from bench.datasets.digits import TASK
from bench.plugins.registry import defenses
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts.diffusion.assembly import denoiser_for
from defenses.parts.networks.attention import join
from tests.defenses.tiny import GREYS, rng


def attentions(network: nn.Module) -> list[Attention]:
    return [module for module in network.modules() if isinstance(module, Attention)]


def answered(network: nn.Module) -> tuple[Tensor, Tensor]:
    leaf = torch.randn(5, *GREYS.shape, generator=rng(1)).requires_grad_()
    found = network(leaf, torch.arange(5) * 60, class_labels=torch.arange(5), return_dict=False)[0]
    return found.detach(), torch.autograd.grad(found.square().sum(), leaf)[0]


def test_joined_attention_is_that_of_diffusers_to_rounding(capfd: pytest.CaptureFixture[str]) -> None:
    network = DiffusionClassifier().load(TASK, "cpu").denoiser.network  # type: ignore[attr-defined]
    assert len(attentions(network)) == 4
    assert not any(isinstance(each.processor, AttnProcessor2_0) for each in attentions(network))
    joined = answered(network)
    assert not capfd.readouterr().err  # diffusers would warn of what a processor does not take
    for each in attentions(network):
        each.set_processor(AttnProcessor2_0())
    torch.testing.assert_close(joined, answered(network), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("change", ["spatial_norm", "norm_q", "group_norm", "residual_connection"])
def test_attention_of_another_kind_is_left_to_diffusers(change: str) -> None:
    made = Attention(16, heads=2, dim_head=8, bias=True, norm_num_groups=4, residual_connection=True)
    setattr(made, change, None if change == "group_norm" else change != "residual_connection" and nn.Identity())
    join(made)
    assert isinstance(made.processor, AttnProcessor2_0)


def test_what_is_to_be_trained_is_not_joined_and_every_classifier_is() -> None:
    network = denoiser_for(DiffusionClassifier().path(TASK), DiffusionClassifier(), TASK, "cpu").network
    assert all(isinstance(each.processor, AttnProcessor2_0) for each in attentions(network))
    for name in ("diffpure", "adp", "rdc", "tmdc"):
        classifier = defenses.make(name, {}).load(TASK, "cpu")
        found = [module for module in modules_of(classifier) for module in attentions(module)]
        assert found
        assert not any(isinstance(each.processor, AttnProcessor2_0) for each in found)


def modules_of(found: object, depth: int = 4) -> list[nn.Module]:
    """The networks that an object holds."""
    if isinstance(found, nn.Module):
        return [found]
    inner = vars(found).values() if hasattr(found, "__dict__") and depth else ()
    return [module for each in inner for module in modules_of(each, depth - 1)]
