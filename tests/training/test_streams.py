"""A training's streams are those of every earlier release, so that packaged weights can be trained again."""

from __future__ import annotations

import pytest
import torch

from bench.training.streams import Purpose, stream


@pytest.mark.parametrize(
    ("seed", "number", "purpose", "expected"),
    [
        (0, 0, "clean", 1_229_191_214_728_590_120),
        (3, 2, "attack", 4_288_887_175_135_347_580),
        (7, 11, "victim", 421_151_021_023_710_707),
    ],
)
def test_streams_are_what_they_were(seed: int, number: int, purpose: Purpose, expected: int) -> None:
    assert stream(seed, number, purpose, "cpu").initial_seed() == expected


def test_a_stream_starts_anew_whenever_it_is_asked_for() -> None:
    first, again = (torch.rand(4, generator=stream(1, 2, "attack", "cpu")) for _ in range(2))
    assert torch.equal(first, again)
