"""The scope in which a shard runs; and that no shard of ours asks for what CUDA cannot repeat."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench import UsageError, warp
from bench.datasets.digits import Digits
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.shard.crafting import craft
from bench.evaluation.shard.errand import Errand
from bench.evaluation.shard.judging import hear
from bench.loading.classifiers import Shelf
from bench.loading.determinism import WORKSPACES, exact, seeded
from bench.plugins.registry import attacks, defenses
from bench.protocols import find_protocol
from bench.store.images.artifacts import Artifacts
from bench.testing.attacks import EPSILON
from defenses.parts.resize import resize
from tests.defenses.tiny import COLOURS, images, rng, stable_diffusion, unstaged
from tests.house.test_contracts import BRIEF, names

SAMPLES = 2
SMALL: dict[str, dict[str, Any]] = {
    "adp": {"steps": 2, "draws": 1},
    "denoised-smoothing": {"draws": 4},
    "diffpure": {"steps": 3},
    "diffusion-classifier": {"timesteps": 4},
    "rdc": {"steps": 1, "levels": 2},
    "smoothing": {"draws": 4},
    "tmdc": {"timesteps": 4},
}
SHORT: dict[str, dict[str, Any]] = {
    **BRIEF,
    "pgd-linf": {"steps": 2},
    "pgd-l2": {"steps": 2},
    "pgd-eot-linf": {"steps": 2, "draws": 2},
    "pgd-eot-l2": {"steps": 2, "draws": 2},
    "stadv": {"steps": 3},
    "certify-l2": {"n0": 10, "n": 20},
}
UNREPEATABLE = {
    "_adaptive_avg_pool2d_backward",
    "_adaptive_avg_pool3d_backward",
    "_ctc_loss_backward",
    "_upsample_bicubic2d_aa_backward",
    "_upsample_bilinear2d_aa_backward",
    "adaptive_max_pool2d_backward",
    "adaptive_max_pool3d_backward",
    "avg_pool3d_backward",
    "fractional_max_pool2d_backward",
    "fractional_max_pool3d_backward",
    "grid_sampler_2d_backward",
    "grid_sampler_3d_backward",
    "histc",
    "kthvalue",
    "max_unpool2d",
    "max_unpool3d",
    "median",
    "nanmedian",
    "nll_loss2d_forward",
    "put",
    "put_",
    "reflection_pad1d_backward",
    "reflection_pad2d_backward",
    "reflection_pad3d_backward",
    "upsample_bicubic2d_backward",
    "upsample_bilinear2d_backward",
    "upsample_linear1d_backward",
    "upsample_trilinear3d_backward",
}
"""Operations for which CUDA has no deterministic kernel (torch's notes on `use_deterministic_algorithms`)."""


class Recorder(TorchDispatchMode):
    """Notes every operation that is carried out, those of backward passes as well."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.add(func._schema.name.partition("::")[2])
        return func(*args, **(kwargs or {}))


def watch(done: float, total: float, note: str = "") -> None:
    """Look away."""


def shard(request: Request, folder: Path, device: str = "cpu") -> tuple[set[str], list[Any]]:
    """What is asked of torch by one whole shard, crafted, judged, judged again; and every number that came of it. The
    seeds that nobody knows are the same here."""
    data, shelf = Digits().load("test", None), Shelf(device)
    plan = make_plan(request, lambda: "cpu")
    shelf.classifier(plan.defense, data.task)
    batch = data.read(plan.shards()[0].indices)
    errand = Errand(plan, plan.shards()[0], data.task, batch.images.numpy(), batch.labels.numpy(), SAMPLES)
    with Recorder() as recorder, patch("bench.evaluation.shard.replay.secrets.randbits", return_value=1):
        proposal = craft(errand.craft(), shelf, watch)
        errand.proposed(proposal, Artifacts(folder).write)
        first = hear(errand.hearing(), shelf, watch)
        errand.answered(first)
        again = hear(errand.asked_again(introduced=True), shelf, watch)
    assert recorder.seen
    answers = [answer.logits for testimony in (first, again) for answer in testimony.answers]
    return recorder.seen, [proposal.perturbed, proposal.answers, *answers]


def request_for(defense: str, attack: str) -> Request:
    """A white-box cell of a few digits and few steps."""
    norm = attacks.make(attack, SHORT.get(attack, {})).norm
    return Request(
        defense,
        attack,
        replace(find_protocol("transfer-1024"), samples=SAMPLES, shard_size=SAMPLES, source=None, draws=2),
        defense_settings=SMALL.get(defense, {}),
        attack_settings=SHORT.get(attack, {}),
        epsilon=Fraction(EPSILON[norm]),
    )


@pytest.mark.parametrize("attack", names(attacks))
def test_no_attacks_shard_needs_what_cannot_be_repeated(attack: str, tmp_path: Path) -> None:
    defense = "smoothing" if attack == "certify-l2" else "resnet"
    seen, _ = shard(request_for(defense, attack), tmp_path)
    assert not seen & UNREPEATABLE


@pytest.mark.parametrize("defense", names(defenses))
def test_no_defenses_shard_needs_what_cannot_be_repeated(defense: str, tmp_path: Path) -> None:
    seen, _ = shard(request_for(defense, "pgd-linf"), tmp_path)
    assert not seen & UNREPEATABLE


def test_neither_does_stable_diffusion(tmp_path: Path) -> None:
    classifier = unstaged(stable_diffusion(tmp_path), rows=4).load(COLOURS, "cpu")
    shown = images(1).requires_grad_()
    with exact("cpu"), Recorder() as recorder:
        torch.autograd.grad(classifier(shown, rng())[0, 0], shown)
    assert "convolution_backward" in recorder.seen
    assert not recorder.seen & UNREPEATABLE


def test_a_random_defenses_shard_repeats_itself(tmp_path: Path) -> None:
    (_, first), (_, second) = (shard(request_for("smoothing", "pgd-linf"), tmp_path / turn) for turn in ("a", "b"))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    ("defense", "attack"),
    [(name, "pgd-linf") for name in names(defenses)]
    + [("smoothing" if name == "certify-l2" else "resnet", name) for name in names(attacks)],
)
def test_a_shard_repeats_itself_on_cuda(defense: str, attack: str, tmp_path: Path) -> None:
    request = replace(request_for(defense, attack), samples=16, shard_size=16)
    (_, first), (_, second) = (shard(request, tmp_path / turn, "cuda") for turn in ("first", "second"))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("size", [(8, 8), (224, 224)])
def test_bending_and_resizing_repeat_themselves_on_cuda(size: tuple[int, int]) -> None:
    source = torch.Generator("cuda").manual_seed(0)
    shown = torch.rand(16, 3, *size, generator=source, device="cuda")
    flow = 0.1 * torch.rand(16, 2, *size, generator=source, device="cuda") - 0.05
    gradients: list[tuple[Tensor, ...]] = []
    with exact("cuda"):
        for _ in range(5):
            leaves = shown.clone().requires_grad_(), flow.clone().requires_grad_()
            found = resize(warp(*leaves), (512, 512), "bicubic", cut=True)
            gradients.append((found, *torch.autograd.grad(found.square().sum(), leaves)))
    for others in gradients[1:]:
        assert all(torch.equal(one, other) for one, other in zip(gradients[0], others, strict=True))


def test_an_operation_without_a_deterministic_kernel_is_refused() -> None:
    values = torch.zeros(3)
    with exact("cpu"), pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
        values.put_(torch.tensor([0, 0]), torch.ones(2))
    values.put_(torch.tensor([0, 1]), torch.ones(2))


def test_scopes_of_several_threads_leave_torch_as_they_found_it() -> None:
    before, first, second = torch.get_deterministic_debug_mode(), exact("cpu"), exact("cpu")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert torch.are_deterministic_algorithms_enabled()  # the second is still within
    second.__exit__(None, None, None)
    assert torch.get_deterministic_debug_mode() == before


def _raise_within() -> None:
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.get_num_threads() == 1
    raise UsageError("Within.")


@pytest.mark.parametrize("before", ["default", "warn", "error"])
def test_the_scope_leaves_torch_as_it_found_it(before: str) -> None:
    threads = torch.get_num_threads()
    torch.set_deterministic_debug_mode(before)
    mode = torch.get_deterministic_debug_mode()
    try:
        with pytest.raises(UsageError), exact("cpu"):
            _raise_within()
        assert torch.get_deterministic_debug_mode() == mode
        assert torch.get_num_threads() == threads
    finally:
        torch.set_deterministic_debug_mode("default")


@pytest.fixture
def _workspace() -> Iterator[None]:
    before = os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
    yield
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
    if before is not None:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = before


@pytest.mark.usefixtures("_workspace")
def test_cublas_is_given_a_workspace_with_which_it_repeats_itself() -> None:
    with exact("cpu"):
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    with exact("cuda"):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in WORKSPACES
    for given, wanted in ((":16:8", ":16:8"), (":0:0", WORKSPACES[0])):
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = given
        with exact("cuda:1"):
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == wanted


def test_the_scope_does_not_import_torchs_compiler() -> None:
    code = "import sys\nfrom bench.loading.determinism import exact\nwith exact('cpu'):\n    print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" in found.stdout.split()
    assert "torch._inductor" not in found.stdout.split()


def test_the_global_generators_come_back_as_they_were() -> None:
    before = torch.get_rng_state()
    with seeded(torch.Generator().manual_seed(7), "cpu"):
        first = torch.rand(3)
    with seeded(torch.Generator().manual_seed(7), "cpu"):
        assert torch.equal(first, torch.rand(3))
    assert torch.equal(before, torch.get_rng_state())
