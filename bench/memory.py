"""Plugins that lie in memory: kept in a folder under their content's hash, behind a script that every process loads.

The script is an ordinary plugin, `FOLDER/NAME-HASH/NAME.py:NAME`, and its text holds the hash: so a model in memory has
the same identity in every session in which its class, its settings and its weights are the same.
"""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.content import content_of, tensors_of
from bench.domain.attack import Attack, Perturbed
from bench.domain.dataset import Batch, Dataset, ImageSet, Split, Task
from bench.domain.defense import Classifier, Defense, Network
from bench.domain.errors import PluginError, UsageError
from bench.domain.queries.victim import Victim
from bench.domain.threat import ThreatModel

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator

SHOWN = 16
"""How many hex digits of a hash stand in a folder's name."""
OBJECT, IMAGES = "object.pkl", "images.npz"
SCRIPT = '''"""{name}, as it was in memory. Written by bench: this text is its identity."""

from pathlib import Path

from bench.memory import {base}


class {name}({base}):
    content = "{content}"
    folder = Path(__file__).parent
{facts}'''


class Kept:
    """What lies beside a script, loaded when it is first asked for."""

    content: ClassVar[str]
    folder: ClassVar[Path]

    def thawed(self) -> Any:
        """The object as it was; a copy of its own for whoever asks. Raises `PluginError` where it is another by now."""
        with (self.folder / OBJECT).open("rb") as file:
            found = pickle.load(file)  # the user's own, written by `keep`
        if content_of(found) != self.content:
            raise PluginError(f"what lies in {self.folder} is not what was kept there; hand the object over once more.")
        return found


@dataclass(frozen=True)
class KeptDefense(Kept, Defense):
    """A torch module, a classifier or a defense that was in memory."""

    def load(self, task: Task, device: str) -> Classifier:
        """The classifier on a device; a bare module is one whose logits are what it returns for images in [0, 1]."""
        found = self.thawed()
        if isinstance(found, Defense):
            return found.load(task, device)
        if isinstance(found, Network):
            return found.to(device)
        return found if isinstance(found, Classifier) else Network(found.to(device))

    def files(self, task: Task) -> Mapping[str, Path]:
        """Those of a defense."""
        found = self.thawed()
        return found.files(task) if isinstance(found, Defense) else {}


@dataclass(frozen=True)
class KeptAttack(Kept, Attack):
    """An attack that was in memory."""

    def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
        """What it proposes."""
        found: Perturbed = self.thawed().perturb(victim, batch, threat, rng)
        return found


@dataclass(frozen=True)
class KeptImages(Kept, Dataset):
    """Images that were in memory; both splits are the same."""

    def load(self, split: Split, folder: Path | None) -> ImageSet:
        """The images, in their order."""
        with np.load(self.folder / IMAGES) as found:
            images, labels, classes = found["images"], found["labels"], tuple(map(str, found["classes"]))
        name = type(self).__name__
        return ImageSet(Task(name, classes, images.shape[1:]), labels, lambda index: images[index])


def keep(found: object, base: type[Kept], name: str, folder: Path, facts: Mapping[str, str] | None = None) -> str:
    """The reference under which every process finds an object, which is written where it is not there yet.

    Raises `UsageError` for one that cannot be handed to another process.
    """
    return _written(base, name, folder, content_of(found), lambda place: _freeze(found, place, name), facts)


def keep_images(
    images: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str], name: str, folder: Path
) -> str:
    """The reference of a data set of images (N, C, H, W) in [0, 1] with labels (N,)."""
    content = hashlib.sha256(repr((images.shape, tuple(classes))).encode())
    content.update(np.ascontiguousarray(images, "<f4").tobytes() + np.ascontiguousarray(labels, "<i8").tobytes())

    def write(place: Path) -> None:
        np.savez(place / IMAGES, images=images, labels=labels, classes=np.array(classes))

    return _written(KeptImages, name, folder, content.hexdigest(), write)


def _written(
    base: type[Kept],
    name: str,
    folder: Path,
    content: str,
    write: Callable[[Path], None],
    facts: Mapping[str, str] | None = None,
) -> str:
    """Write an object and its script, whole or not at all, and give the reference."""
    name = re.sub(r"\W", "_", name)
    name = name if name.isidentifier() and not name.startswith("_") else f"Model{name}"
    home = folder.resolve() / f"{name}-{content[:SHOWN]}"
    if not home.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as partial:
            place = Path(partial) / home.name
            place.mkdir()
            write(place)
            lines = "".join(f"    {key} = {value!r}\n" for key, value in (facts or {}).items())
            text = SCRIPT.format(name=name, base=base.__name__, content=content, facts=lines)
            (place / f"{name}.py").write_text(text, encoding="utf-8")
            if not home.is_dir():
                os.replace(place, home)  # noqa: PTH105  a folder that another process has put there stays
    return f"{home / name}.py:{name}"


def _freeze(found: object, place: Path, name: str) -> None:
    """Write the object as a pickle; classes that no other process can import are written with it."""
    import cloudpickle  # type: ignore[import-untyped]  # it has no types

    try:
        content = cloudpickle.dumps(_off_devices(found))
    except Exception as error:
        raise UsageError(
            f"{name} cannot be handed to another process ({type(error).__name__}: {error}); write it as a plugin in a "
            f"file of its own, and name it as ./file.py:{name}."
        ) from error
    (place / OBJECT).write_bytes(content)


def _off_devices(found: object) -> object:
    """The object with its tensors on the CPU, whatever device they are on here: other processes may not see it."""
    from torch import nn

    module = found.module if isinstance(found, Network) else found
    if not isinstance(module, nn.Module) or all(each.device.type == "cpu" for each in tensors_of(module).values()):
        return found
    copied: Any = copy.deepcopy(found)
    return copied.to("cpu")
