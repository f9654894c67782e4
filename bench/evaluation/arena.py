"""Executes one shard: clean predictions, the attack, the harness's own judgement, predictions again."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.domain.attack import Attack, Certificate, Perturbed
from bench.domain.dataset import Batch, ImageSet
from bench.domain.defense import Classifier, Watch
from bench.domain.errors import BenchError, DataError, PluginError, WeightsError
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Purpose, Shard, Spec
from bench.domain.victim import Victim, check_logits
from bench.loading.determinism import exact, seeded
from bench.loading.environment import environment, peak_memory, reset_peak_memory
from bench.evaluation.judging import on_cpu, refusal
from bench.evaluation.planning import open_images
from bench.registry import attacks, defenses
from bench.store.artifacts import Artifacts

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


ABSTAINED = -1
"""Stored as the prediction of an image that was not classified, or not certified at the plan's budget."""


@dataclass(frozen=True)
class Arena:
    """A plan's data, classifier and attack in memory, ready to run its shards."""

    plan: Plan
    device: str
    data: ImageSet
    classifier: Classifier
    attack: Attack
    artifacts: Artifacts

    @classmethod
    def load(cls, plan: Plan, device: str, data_dir: Path | None, artifacts: Artifacts) -> Arena:
        """Everything a plan names, checked against the hashes that it holds.

        Raises `DataError` or `WeightsError` where data or weights are not those of the plan.
        """
        data = open_images(plan.dataset, data_dir)
        if data.fingerprint(plan.indices) != plan.images:
            raise DataError(
                f"The images of {plan.dataset.name} are not those this plan was made for; check --data-dir."
            )
        with exact(device):
            classifier = load_defense(plan.defense, data, device)
        attack = attacks.make(plan.attack.name, plan.attack.params)
        return cls(plan, device, data, classifier, attack, artifacts)

    def run(self, shard: Shard, watch: Watch, crafted: str | None = None) -> ShardResult:
        """The shard's outcomes; `crafted` names the source's images where the plan has a source.

        Out of memory, the shard starts again with smaller chunks, and says so in its remarks. Raises `PluginError`
        where the defense or the attack fails.
        """
        remarks: list[str] = []
        while True:
            try:
                with exact(self.device):
                    result = self._run(shard, watch, crafted)
                return replace(result, remarks=(*remarks, *result.remarks))
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                smaller = self.classifier.shrink()
                if smaller is None:
                    raise PluginError(
                        f"Shard {shard.index} does not fit into the memory of {self.device} even in the smallest "
                        f"chunks; use a smaller --shard-size or another --device."
                    ) from error
                remarks.append(f"Out of memory on {self.device}: the shard was run again in {smaller}.")
                watch(0, 1, remarks[-1])

    def _run(self, shard: Shard, watch: Watch, crafted: str | None) -> ShardResult:
        reset_peak_memory(self.device)
        started = time.perf_counter()
        batch = self.data.read(shard.indices).to(self.device)
        watch(0, 1, "clean images")
        clean = self._predict(batch.images, shard, "clean")
        victim = Victim(self.classifier, shard.stream("victim", self.device), watch)
        proposal = self._craft(victim, batch, shard) if crafted is None else self._read(crafted, batch)
        invalid = refusal(self.plan, batch.images, proposal, victim.forwards)
        sha256 = crafted or self.artifacts.write(proposal.images.float().cpu().numpy(), _beside(proposal))
        watch(1, 1, "judging")
        images = proposal.images.nan_to_num(0, 0, 0)
        radii: list[float | None] = [None] * len(batch)
        if proposal.certificate is None:
            judged = self._predict(images, shard, "judge")
        else:
            judged, radii = self._certified(proposal.certificate, batch.labels.cpu())
        distances = self.plan.threat.distance(batch.images.cpu(), images.cpu(), on_cpu(proposal.witness)).tolist()
        minimal = self._minimal(batch, proposal, shard)
        iterations = [None] * len(batch) if proposal.broken_at is None else proposal.broken_at.tolist()
        labels = batch.labels.tolist()
        rows = zip(batch.indices, labels, clean, judged, distances, radii, minimal, iterations, strict=True)
        return ShardResult(
            index=shard.index,
            outcomes=tuple(Outcome(*row) for row in rows),
            forwards=victim.forwards,
            backwards=victim.backwards,
            seconds=time.perf_counter() - started,
            peak_memory=peak_memory(self.device),
            perturbed_sha256=sha256,
            invalid=invalid,
            remarks=proposal.remarks,
            environment=environment(self.device),
        )

    def _predict(self, images: Tensor, shard: Shard, purpose: Purpose) -> list[tuple[int, ...]]:
        """For each image its predicted classes, one a draw (a deterministic classifier is asked once)."""
        import torch

        rng = shard.stream(purpose, self.device)
        draws = 1 if self.classifier.deterministic else self.plan.draws
        classes = len(self.data.task.classes)
        columns = classes + self.classifier.abstains
        predictions = []
        with torch.no_grad(), blame(self.plan.defense):
            for _ in range(draws):
                found = check_logits(self.classifier(images, rng), len(images), columns).argmax(1)
                predictions.append(found.masked_fill(found == classes, ABSTAINED).tolist())
        return list(zip(*predictions, strict=True))

    def _certified(self, certificate: Certificate, labels: Tensor) -> tuple[list[tuple[int, ...]], list[float | None]]:
        """The certified class of each image where its radius covers the budget, and the radii of right classes."""
        radii, found = certificate.radii.double().cpu(), certificate.predictions.cpu()
        predictions = found.masked_fill(radii < float(self.plan.threat.epsilon), ABSTAINED)
        return [(prediction,) for prediction in predictions.tolist()], radii.masked_fill(found != labels, 0).tolist()

    def _minimal(self, batch: Batch, proposal: Perturbed, shard: Shard) -> Sequence[float | None]:
        """How far each of the closest misclassified images is; infinite where the judge does not see it misclassified.

        Their predictions are drawn like those of the perturbed images.
        """
        if proposal.closest is None:
            return [None] * len(batch)
        closest = proposal.closest.to(batch.images).nan_to_num(0, 0, 0)
        predictions = self._predict(closest, shard, "judge")
        distances = self.plan.threat.distance(batch.images.cpu(), closest.cpu()).tolist()
        labels = batch.labels.tolist()
        return [
            distance if 2 * draws.count(label) <= len(draws) else math.inf
            for distance, draws, label in zip(distances, predictions, labels, strict=True)
        ]

    def _craft(self, victim: Victim, batch: Batch, shard: Shard) -> Perturbed:
        rng = shard.stream("attack", self.device)
        with seeded(rng, self.device), blame(self.plan.attack):
            proposal = self.attack.perturb(victim, batch, self.plan.threat, rng)
            expected = tuple(batch.images.shape)
            for found in (proposal.images, proposal.closest):
                if found is not None and found.shape != expected:
                    raise PluginError(
                        f"{self.plan.attack.name} returned images {tuple(found.shape)}; {expected} was expected."
                    )
            closest = None if proposal.closest is None else proposal.closest.detach()
            return replace(proposal, images=proposal.images.detach(), closest=closest)

    def _read(self, sha256: str, batch: Batch) -> Perturbed:
        import torch

        arrays = {name: torch.from_numpy(array) for name, array in self.artifacts.read_all(sha256).items()}
        witness, closest = arrays.get("witness"), arrays.get("closest")
        return Perturbed(arrays["perturbed"].to(batch.images.device), witness, closest=closest)


def _beside(proposal: Perturbed) -> dict[str, NDArray[Any]]:
    """What another defense needs of a proposal besides its images."""
    kept = {"witness": on_cpu(proposal.witness), "closest": on_cpu(proposal.closest)}
    return {name: tensor.float().numpy() for name, tensor in kept.items() if tensor is not None}


def load_defense(spec: Spec, data: ImageSet, device: str) -> Classifier:
    """The classifier of a spec, its weights' hashes checked against the spec's."""
    import torch

    defense = defenses.make(spec.name, spec.params)
    found = defenses.spec(spec.name, defense, data.task)
    if found != spec:
        raise WeightsError(
            f"The weights or the version of {spec.name} or of one of its parts are not those this plan was made for; "
            f"make the plan anew by running `bench evaluate` again."
        )
    rng = torch.Generator(device).manual_seed(0)  # layers that are initialised before they are loaded draw from it
    with seeded(rng, device), blame(spec):
        return defense.load(data.task, device)


@contextmanager
def blame(spec: Spec) -> Iterator[None]:
    """Turn whatever a plugin raises into a `PluginError` that names it; deliberate errors and lack of memory pass."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        if _is_out_of_memory(error):
            raise
        raise PluginError(f"{spec.name} failed with {type(error).__name__}: {error}") from error


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
