"""How a classifier is asked, by whomever: one call, whose answer is looked at before anyone believes it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.domain.errors import PluginError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from bench.domain.defense import Classifier

WROTE = "wrote into the images that it was given; it must work on a copy (images.clone())."


def noise_seed(seed: int, draw: int = 0) -> int:
    """The seed of a draw of noise under which a victim of this seed answers; below 2^63."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{draw}".encode()).digest()[:8], "big") >> 1


def ask(classifier: Classifier, images: Tensor, rng: Generator, classes: int | None = None) -> Tensor:
    """A classifier's logits (N, K), or (N, K + 1) where it abstains; the one way in which anybody asks it.

    Autograd records in every call, an attack's as well as a judge's, so that its mode tells nobody who is asking.
    """
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        logits = classifier(images, rng)
        return check_logits(logits, len(images), None if classes is None else classes + classifier.abstains)


def ask_together(
    classifier: Classifier, images: Sequence[Tensor], rngs: Sequence[Generator], classes: int | None = None
) -> list[Tensor]:
    """A classifier's logits (N, K), or (N, K + 1), of several batches, each under its rng; asked as in `ask`."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        found = classifier.together(images, rngs)
        if not isinstance(found, list) or len(found) != len(images):
            raise PluginError(f"The classifier's together() must return a list of {len(images)} tensors of logits.")
        columns = None if classes is None else classes + classifier.abstains
        return [check_logits(logits, len(batch), columns) for logits, batch in zip(found, images, strict=True)]


def without_refusals(logits: Tensor, classifier: Classifier) -> Tensor:
    """Logits (N, K) of the classes alone."""
    return logits[:, :-1] if classifier.abstains else logits


def check_logits(logits: Tensor, count: int, classes: int | None = None) -> Tensor:
    """The same logits if they are finite floats (count, K); else a `PluginError` that says what came instead."""
    import torch

    if not isinstance(logits, torch.Tensor):
        raise PluginError(f"The classifier returned {type(logits).__name__}; it must return a tensor of logits (N, K).")
    expected = f"({count}, {classes if classes is not None else 'K'})"
    if logits.ndim != 2 or len(logits) != count or (classes is not None and logits.shape[1] != classes):
        raise PluginError(f"The classifier returned logits of shape {tuple(logits.shape)}; {expected} was expected.")
    if not logits.is_floating_point():
        raise PluginError(f"The classifier returned {logits.dtype} values; logits must be floating point.")
    if not bool(logits.isfinite().all()):
        bad = int((~logits.isfinite()).any(1).sum())
        raise PluginError(f"The classifier returned NaN or infinite logits for {bad} of {count} images.")
    return logits


def with_version(images: Tensor) -> Tensor:
    """The images, or a copy of them where they have neither a gradient nor a version, as in torch's inference mode."""
    import torch

    if not images.is_inference():
        return images
    with torch.inference_mode(False):
        return images.clone()


def check_unwritten(images: Tensor, asked: Tensor | None, name: str) -> None:
    """Raise `PluginError` where images are not what they were when they were asked about."""
    import torch

    if asked is not None and not torch.equal(asked.to(images.device), images.detach()):
        raise PluginError(f"{name} {WROTE}", culprit=name)
