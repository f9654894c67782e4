"""Judges again what needs no model: other people's shards against the data set, their images and themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from bench.domain.blame import blame
from bench.domain.dataset import ImageSet
from bench.domain.errors import BenchError
from bench.domain.outcome import Outcome
from bench.domain.plan import FIRST_HARNESS, Plan, Spec
from bench.evaluation.claims import inconsistency
from bench.evaluation.shard.admissibility import Exhibits, distances, refusal
from bench.evaluation.shard.verdict import fingerprint
from bench.loading.images import open_images
from bench.plugins.registry import datasets
from bench.store.images.artifacts import LackingError, UnreachableError
from bench.store.others.merge import Examined, keeps_images
from bench.store.rows.agreement import TOLERANCE, close
from bench.store.rows.reader import UnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.store.images.artifacts import Artifacts
    from bench.store.rows.records import ShardRecord, Whole
    from bench.store.store import Store

LOOSE = 1e-6
"""What distances of an older bench may differ by: it measured images of any precision, and kept them in float32."""


class _WrongError(Exception):
    """What a shard says cannot be true."""


class _AbsentError(Exception):
    """What a shard could be checked against is not here."""


@dataclass
class Rejudge:
    """The examiner of `bench merge`; `data_dir` is where data sets lie that are not in their usual place.

    Only registered data sets are read: code that a store names by file or by module is never run.
    """

    data_dir: Path | None = None
    _read: dict[str, ImageSet | str] = field(default_factory=dict, init=False, repr=False)
    _fingerprints: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, plan: Plan, shards: Sequence[Whole], other: Store, images: Sequence[Artifacts]) -> Examined:
        """What is wrong with these shards, and what nobody here can tell. Never raises for what a store says."""
        unchecked: dict[int, str] = {}
        try:
            for record, outcomes in shards:
                _raise(inconsistency(plan, record, outcomes), record)
            _check_clean(plan, shards, other)
            data = self._images_of(plan)
            for whole in shards:
                try:
                    _check(plan, whole, data, images)
                except _AbsentError as reason:
                    unchecked[whole[0].number] = str(reason)
        except _WrongError as reason:
            return Examined(wrong=str(reason))
        except _AbsentError as reason:
            return Examined(unchecked={record.number: str(reason) for record, _ in shards})
        return Examined(unchecked=unchecked)

    def _images_of(self, plan: Plan) -> ImageSet:
        """The plan's data set, if it is at hand and the plan's own."""
        name, key = plan.dataset.name, json.dumps(plan.dataset.document(), sort_keys=True)
        if key not in self._read:
            try:
                self._read[key] = self._open(plan.dataset)
            except _AbsentError as reason:
                self._read[key] = str(reason)
        data = self._read[key]
        if isinstance(data, str):
            raise _AbsentError(data)
        if len(data) != plan.size:
            raise _WrongError(f"{name} holds {len(data)} images here, not {plan.size}; check --data-dir")
        drawn = f"{key} {plan.indices}"
        if drawn not in self._fingerprints:
            with _at_hand(name):
                self._fingerprints[drawn] = data.fingerprint(plan.indices)
        if self._fingerprints[drawn] != plan.images:
            raise _WrongError(f"its images and labels are not those of {name} here; check --data-dir")
        return data

    def _open(self, spec: Spec) -> ImageSet:
        if not datasets.holds(spec.name.partition(":")[0]):
            raise _AbsentError(
                f"no registered data set is called {spec.name!r}, and code that a store names is not run"
            )
        with _at_hand(spec.name):
            return open_images(replace(spec, place={}), self.data_dir)


@contextmanager
def _at_hand(name: str) -> Iterator[None]:
    """A data set is read in this scope; where that fails, it is absent."""
    try:
        with blame(name):
            yield
    except (BenchError, MemoryError) as error:
        why = str(error).rstrip(".") or type(error).__name__
        raise _AbsentError(f"the data set {name} is not at hand ({why})") from None


def _raise(fault: str | None, record: ShardRecord) -> None:
    if fault:
        raise _WrongError(f"shard {record.number}: {fault}")


def _check_clean(plan: Plan, shards: Sequence[Whole], other: Store) -> None:
    """Clean predictions are those of the untouched images, which the same store may hold."""
    untouched = plan.untouched()
    if plan.is_untouched or plan.harness == FIRST_HARNESS:
        return
    try:
        known = other.predictions(untouched)
    except UnreadableError:  # which is left out itself, and says nothing about others
        return
    for record, outcomes in shards:
        unlike = sum(known.get(outcome.index, outcome.clean) != outcome.clean for outcome in outcomes)
        if unlike:
            fault = f"{unlike} of {len(outcomes)} clean predictions are not those of plan {untouched.digest[:12]}"
            _raise(fault, record)


def _check(plan: Plan, whole: Whole, data: ImageSet, folders: Sequence[Artifacts]) -> None:
    record, outcomes = whole
    indices = [outcome.index for outcome in outcomes]
    with _at_hand(plan.dataset.name):
        images, labels = data.arrays(indices)
    for fault in _against_labels(plan, outcomes, labels, len(data.task.classes)):
        _raise(fault, record)
    if keeps_images(plan):
        arrays = _arrays(record, folders)
    else:
        arrays = {"perturbed": images}
        if record.perturbed_sha256 != fingerprint(images):
            _raise("its images are not the data set's own, which it says were judged", record)
    for fault in _against_images(plan, whole, images, arrays):
        _raise(fault, record)


def _against_labels(plan: Plan, outcomes: Sequence[Outcome], labels: NDArray[np.int64], classes: int) -> Iterator[str]:
    wrong = sum(outcome.label != label for outcome, label in zip(outcomes, labels.tolist(), strict=True))
    if wrong:
        yield f"{wrong} of {len(outcomes)} labels are not those of {plan.dataset.name}"
    beyond = sum(max(*outcome.clean, *outcome.perturbed) >= classes for outcome in outcomes)
    if beyond:
        yield f"{beyond} of {len(outcomes)} samples have predictions beyond the {classes} classes"


def _arrays(record: ShardRecord, folders: Sequence[Artifacts]) -> dict[str, NDArray[Any]]:
    """The crafted images of a shard and what lies beside them, from wherever they are sound."""
    name, damaged = record.perturbed_sha256, False
    for folder in folders:
        try:
            return folder.read_all(name)
        except LackingError as error:
            damaged = damaged or error.damaged
        except UnreachableError as error:
            raise _AbsentError(f"its file of crafted images cannot be opened ({error.reason})") from None
        except (SafetensorError, LookupError, TypeError, ValueError) as error:
            raise _WrongError(f"shard {record.number}: its crafted images cannot be read ({error})") from None
    if damaged:
        raise _WrongError(f"shard {record.number}: its file of crafted images is damaged; its name is another's hash")
    raise _AbsentError("its file of crafted images is missing")


def _against_images(
    plan: Plan, whole: Whole, images: NDArray[np.float32], arrays: dict[str, NDArray[Any]]
) -> Iterator[str]:
    """What the images contradict, recomputed from the data set's and the judged ones."""
    record, outcomes = whole
    perturbed, witness, closest = (arrays.get(name) for name in ("perturbed", "witness", "closest"))
    for found in (perturbed, closest):
        if found is not None and (found.shape != images.shape or found.dtype != np.float32):
            yield f"its crafted images are {found.dtype} {found.shape}, not float32 {images.shape}"
            return
    if perturbed is None:
        yield "its file holds no crafted images"
        return
    shown = Exhibits(images, perturbed, None if witness is None else witness.astype(np.float32), closest)
    tolerance = LOOSE if plan.harness == FIRST_HARNESS else TOLERANCE
    reason, far = refusal(plan, shown, asked=record.forwards), distances(plan, shown, perturbed)
    nearest = [None] * len(outcomes) if closest is None else distances(plan, shown, closest)
    if reason is not None and record.invalid is None:
        yield f"it is said to be valid, but {reason[0].lower()}{reason[1:].rstrip('.')}"
    edited = sum(not close(*pair, tolerance) for pair in zip((o.distance for o in outcomes), far, strict=True))
    if edited:
        yield f"{edited} of {len(outcomes)} distances are not those of its images"
    pairs = zip((outcome.minimal for outcome in outcomes), nearest, strict=True)
    astray = sum(not _is_minimal(plan, *pair, tolerance) for pair in pairs)
    if astray:
        yield f"{astray} of {len(outcomes)} smallest distances are not those of its closest images"
    facts = record.facts
    if facts is not None and facts.crafting is not None:
        unmoved = int((perturbed == images).reshape(len(images), -1).all(1).sum())
        if unmoved != facts.crafting.unmoved:
            yield f"{unmoved} of its images are the clean ones, not {facts.crafting.unmoved} as it says"


def _is_minimal(plan: Plan, said: float | None, found: float | None, tolerance: float) -> bool:
    """Whether a smallest distance is that of the closest image, or that of none."""
    if said is None:
        return found is None or plan.harness == FIRST_HARNESS
    return found is not None and (said == np.inf or close(said, found, tolerance))
