"""What to do where a classifier does not fit into memory: the same again in smaller chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bench.domain.blame import is_out_of_memory
from bench.domain.defense import Classifier

T = TypeVar("T")


def fitting(classifier: Classifier, run: Callable[[], T]) -> T:
    """What `run` gives; out of memory, the classifier shrinks for good and it runs again, until nothing is left to
    shrink."""
    while True:
        try:
            return run()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or classifier.shrink() is None:
                raise
