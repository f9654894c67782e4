"""Reading transformers' and diffusers' models strictly and quietly; knows their loading reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from bench import WeightsError
from defenses.parts.randomness import ambient


def checked(loaded: tuple[Any, Mapping[str, Any]], path: Path) -> nn.Module:
    """The model of a `from_pretrained(..., output_loading_info=True)`, frozen.

    Raises `WeightsError` that names the first weight missing, left over or of another shape.
    """
    model, info = loaded
    for what, word in (("missing_keys", "missing"), ("unexpected_keys", "unexpected"), ("mismatched_keys", "reshaped")):
        names = sorted(str(entry if isinstance(entry, str) else entry[0]) for entry in info[what])
        wrong = [name for name in names if not name.endswith("position_ids")]  # older files store these constants
        if wrong:
            raise WeightsError(f"The weights {path} are of another architecture: {wrong[0]!r} is {word}.")
    module: nn.Module = model.eval().requires_grad_(False)
    return module


def filled(kind: Any, config: Any, state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """A model of a class of transformers with weights that were read from `path`, frozen. Raises like `checked`."""
    with quiet(), ambient():
        loaded = kind.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True, ignore_mismatched_sizes=True
        )
    return checked(loaded, path)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no reports of transformers' own while a model is read or written."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
