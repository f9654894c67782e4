"""What a plugin may raise and return: whose fault it is, in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import Batch, EndTraining, Perturbed, PluginError
from bench.domain.blame import blame
from bench.domain.queries.spending import Spent
from bench.evaluation.shard.proposal import checked
from bench.plugins.finding import from_target


class Odd(BaseException):
    """Nobody's usual exception."""


BATCH = Batch((0, 1), torch.rand(2, 1, 2, 2), torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize("error", [Odd("x"), SystemExit(0), KeyError("x"), RecursionError("deep"), StopIteration("x")])
def test_whatever_a_plugin_raises_is_its_failure(error: BaseException) -> None:
    with pytest.raises(PluginError, match=rf"^mine failed with {type(error).__name__}"), blame("mine"):
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Spent(), EndTraining(), GeneratorExit()])
def test_what_ends_a_call_from_outside_is_nobodys_failure(error: BaseException) -> None:
    with pytest.raises(type(error)), blame("mine"):
        raise error


@pytest.mark.parametrize(
    "end", ["class Odd(BaseException): pass\nraise Odd('x')", "import sys; sys.exit(0)", "x = 1 /"]
)
def test_a_module_that_ends_while_it_is_read_cannot_be_loaded(end: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(end)
    with pytest.raises(PluginError, match=r"mine\.py cannot be loaded"):
        from_target(f"{tmp_path}/mine.py:Mine")


@pytest.mark.parametrize(
    ("proposal", "sentence"),
    [
        (None, "it returned NoneType; it must return bench.Perturbed."),
        (BATCH.images, "it returned Tensor; it must return"),
        (Perturbed(BATCH.images.double()), "images of torch.float64; they must be torch.float32"),
        (Perturbed(BATCH.images, closest=BATCH.images.half()), "images of torch.float16"),
        (Perturbed(BATCH.images[:1]), r"images \(1, 1, 2, 2\); \(2, 1, 2, 2\) was expected"),
        (Perturbed(BATCH.images, broken_at=torch.tensor([1.5, 2.0])), "broken_at that is no whole number"),
        (Perturbed(BATCH.images, broken_at=torch.tensor([-5, 2])), "broken_at below -1"),
        (Perturbed(BATCH.images, fell_to=("a",)), "fell_to that is no word a sample"),
        (Perturbed(BATCH.images, told={"steps": 1.5}), "something else than whole numbers"),  # type: ignore[dict-item]
    ],
)
def test_a_proposal_that_is_none_is_the_attacks_failure_and_named_once(proposal: object, sentence: str) -> None:
    with pytest.raises(PluginError, match=rf"^mine: .*{sentence}") as found, blame("mine"):
        checked(proposal, BATCH)  # type: ignore[arg-type]
    assert str(found.value).count("mine") == 1
