from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bench.analysis.results.accuracy import accuracy


@pytest.mark.parametrize("draws", [1, 2, 3, 10])
def test_draws_are_counted_in_four_ways_as_a_sample_at_a_time_would_be(draws: int) -> None:
    rng = np.random.default_rng(draws)
    labels, predictions = rng.integers(0, 4, 300), rng.integers(-1, 4, (300, draws))
    predictions[::2, : draws // 2 + 1] = labels[::2, None]
    found = accuracy(labels, predictions)
    mean = majority = worst = first = 0.0
    for label, drawn in zip(labels.tolist(), predictions.tolist(), strict=True):
        votes = Counter(drawn)
        mean += votes[label] / draws
        worst += votes[label] == draws
        first += drawn[0] == label
        majority += votes[label] > max((count for other, count in votes.items() if other != label), default=0)
    assert found.mean.successes == pytest.approx(mean)
    assert (found.first.successes, found.worst.successes, found.majority.successes) == (first, worst, majority)
    assert {share.n for share in (found.mean, found.first, found.worst, found.majority)} == {300}
