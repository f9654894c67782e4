from __future__ import annotations

import numpy as np
import pytest

from bench import DataError, ImageSet, Task, UsageError
from bench.domain.dataset import choose
from tests.plugins import Halves


def test_the_draw_of_samples_is_frozen() -> None:
    assert choose(5, 10_000, 2024, "random") == (8374, 6935, 5103, 8963, 4993)
    assert choose(3, 10, 2024, "first") == (0, 1, 2)


def test_no_sample_is_drawn_twice() -> None:
    assert sorted(choose(1024, 1024, 2024, "random")) == list(range(1024))


def test_more_samples_than_there_are_is_refused_with_the_number_that_there_are() -> None:
    with pytest.raises(UsageError, match="--samples 10"):
        choose(11, 10, 0, "random")


def test_the_fingerprint_sees_order_content_and_labels() -> None:
    data = Halves().load("test", None)
    fingerprints = {
        data.fingerprint([0, 1]),
        data.fingerprint([1, 0]),
        Halves(flipped=True).load("test", None).fingerprint([0, 1]),
        Halves().load("train", None).fingerprint([0, 1]),
    }
    assert len(fingerprints) == 4
    assert data.fingerprint([0, 1]) == Halves().load("test", None).fingerprint([0, 1])


def test_images_of_another_shape_than_announced_are_refused() -> None:
    data = ImageSet(Task("odd", ("a",), (1, 4, 4)), np.zeros(1, np.int64), lambda _: np.zeros((1, 5, 5), np.float32))
    with pytest.raises(DataError, match=r"\(1, 5, 5\)"):
        data.read([0])
