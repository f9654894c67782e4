"""RobustBench's zoo behind its package's faults: what must be aliased, forbidden and fetched to load a model of it."""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from bench import PluginError, UsageError, WeightsError
from defenses.parts.zoos.published import INSTALL

DRIVE = "https://drive.google.com/uc?id="
THREATS = {"linf": "Linf", "l2": "L2", "corruptions": "corruptions"}


@dataclass(frozen=True)
class Entry:
    """One model of the zoo: its name, its data set and norm as bench writes them, its number of classes."""

    name: str
    data: str
    norm: str
    classes: int

    def checkpoints(self, folder: Path) -> list[Path]:
        """The files below `folder` that the zoo itself would look for, fetched where they are missing.

        Raises `UsageError` for a model that the zoo lacks or keeps no checkpoint of, `WeightsError` where one can
        neither be found nor fetched.
        """
        place = folder / self.data / THREATS[self.norm]
        found, sources = self._found(), self._sources()
        many = isinstance(found["gdrive_id"], list)
        names = [f"{self.name}.pt_m{number}.pt" if many else f"{self.name}.pt" for number in range(len(sources))]
        paths = [place / name for name in names]
        for path, source in zip(paths, sources, strict=True):
            if not path.is_file():
                _fetch(source, path, self.name)
        return paths

    def load(self, folder: Path) -> nn.Module:
        """The model with its checkpoint, as the zoo itself builds it; takes images in [0, 1].

        Raises `WeightsError` where the checkpoint is of another model or holds more than tensors.
        """
        paths = self.checkpoints(folder)
        with _tamed():
            try:
                if self._timm_name() is not None:
                    return self._from_timm(paths[0])
                from robustbench.utils import load_model

                module: nn.Module = load_model(
                    self.name, model_dir=folder, dataset=self.data, threat_model=THREATS[self.norm]
                )
            except Exception as error:  # the zoo lets through whatever its architectures and the unpickler raise
                reason = str(error).strip().partition("\n")[0].rstrip(".")
                raise WeightsError(
                    f"The checkpoint {paths[0]} is none of {self.name}, or holds more than tensors ({reason}); "
                    f"fetch it anew, or convert it to a plain state dict."
                ) from error
        return module

    def _found(self) -> dict[str, Any]:
        models = _models(self.data, self.norm)
        if self.name in models:
            found: dict[str, Any] = models[self.name]
            return found
        near = difflib.get_close_matches(self.name, models, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(sorted(models)) or 'none'}."
        raise UsageError(f"RobustBench has no model {self.name!r} of {self.data} and {self.norm}. {hint}")

    def _sources(self) -> list[str]:
        """Google Drive ids, or one address."""
        ids, timm_name = self._found()["gdrive_id"], self._timm_name()
        if timm_name is not None:
            from timm.models import get_pretrained_cfg

            return [str(get_pretrained_cfg(timm_name).url)]
        if ids is None or (self.data == "imagenet" and "Standard" in self.name):
            raise UsageError(
                f"RobustBench keeps no checkpoint of {self.name}: its weights come from another library and could not "
                f"be named in a plan; choose another model."
            )
        return [str(one) for one in ids] if isinstance(ids, list) else [str(ids)]

    def _timm_name(self) -> str | None:
        """The name under which the zoo registers a few models with timm instead; they are fetched from an address."""
        import timm

        name = f"{self.name.lower().replace('-', '_')}_{self.data}_{THREATS[self.norm].lower()}"
        return name if timm.is_model(name) else None

    def _from_timm(self, path: Path) -> nn.Module:
        import timm

        name, where = self._timm_name(), str(path)
        module: nn.Module = timm.create_model(name, num_classes=self.classes, pretrained=False, checkpoint_path=where)
        return module


@functools.cache
def _models(data: str, norm: str) -> dict[str, Any]:
    """The zoo's own dictionary of one data set and norm.

    Raises `PluginError` where the package, or one that it needs, cannot be imported.
    """
    try:
        with _tamed():
            from robustbench.model_zoo import model_dicts
            from robustbench.model_zoo.enums import BenchmarkDataset, ThreatModel
    except (ImportError, RuntimeError, AttributeError) as error:  # a torchvision of another build raises the latter two
        raise PluginError(_why(error)) from error
    found: dict[str, Any] = model_dicts[BenchmarkDataset(data)].get(ThreatModel(THREATS[norm]), {})
    return found


def _why(error: Exception) -> str:
    """One sentence about a package that cannot be imported."""
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    if "torchvision" in reason and not isinstance(error, ModuleNotFoundError):
        return (
            f"The installed torchvision does not fit torch {torch.__version__} ({reason}); install the two that belong "
            f"together, as {INSTALL} does in a fresh environment."
        )
    return f"RobustBench's zoo cannot be imported ({reason}); install it with {INSTALL}."


@contextlib.contextmanager
def _tamed() -> Iterator[None]:
    """A scope in which the package can be imported and used: robustbench 1.1.1 imports pyautoattack by its former name
    and pkg_resources that setuptools 81 dropped (for ImageNet's list of files alone), warns, prints, and reads pickles
    with the caller's defaults. Nothing of it outlives the scope but the package's own modules.
    """
    stand_ins: dict[str, ModuleType] = {}
    if importlib.util.find_spec("autoattack") is None:
        stand_ins["autoattack"] = importlib.import_module("pyautoattack")
        stand_ins["autoattack.state"] = importlib.import_module("pyautoattack.state")
    if importlib.util.find_spec("pkg_resources") is None:
        stand_ins["pkg_resources"] = ModuleType("pkg_resources")
    added = [name for name in stand_ins if sys.modules.setdefault(name, stand_ins[name]) is stand_ins[name]]
    unsafe = torch.load
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")  # deprecations of timm and torch.jit that only the package can mend
            torch.load = functools.partial(unsafe, weights_only=True)
            yield
    finally:
        torch.load = unsafe
        for name in added:
            sys.modules.pop(name, None)


def _fetch(source: str, path: Path, model: str) -> None:
    """Download one checkpoint, whole or not at all; `source` is an address or a Google Drive id."""
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    address = source if "://" in source else f"{DRIVE}{source}"
    try:
        with _tamed():
            if source == address:
                torch.hub.download_url_to_file(source, str(part), progress=False)
            else:
                from robustbench.utils import download_gdrive_new

                download_gdrive_new(source, part)
        part.replace(path)
    except Exception as error:  # the transports raise errors of their own kinds, or fail without a word
        raise WeightsError(
            f"The checkpoint of RobustBench's {model} is not at {path} and could not be downloaded "
            f"({type(error).__name__}); fetch {address} where there is a network, and put it there."
        ) from error
