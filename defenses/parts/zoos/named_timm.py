"""timm's models by name, built by timm itself from weights that were read without it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from bench import PluginError, UsageError, WeightsError
from defenses.parts.randomness import ambient
from defenses.parts.weights.checkpoints import read
from defenses.parts.zoos.named import Place, place_of

INSTALL = "pip install 'defense-bench[timm]'"
_NOT_ARGUMENTS = (
    "pretrained",
    "checkpoint",
    "features",
    "cache_dir",
    "num_classes",
    "scriptable",
    "exportable",
    "no_jit",
)


@dataclass(frozen=True)
class Timm:
    """A model of timm: its architecture, its weights, timm's own record of it (`pretrained_cfg`), its arguments."""

    architecture: str
    place: Place
    record: Mapping[str, Any]
    arguments: Mapping[str, Any]

    def labels(self) -> tuple[int, list[str] | None]:
        """Those of the record."""
        names = self.record.get("label_names")
        return int(self.record["num_classes"]), list(map(str, names)) if isinstance(names, list | tuple) else None

    def entrance(self) -> Mapping[str, Any]:
        """The record's, without its test size and its crop."""
        return {
            "size": tuple(self.record["input_size"][1:]),
            "mean": tuple(self.record["mean"]),
            "std": tuple(self.record["std"]),
            "kernel": self.record["interpolation"],
        }

    def files(self) -> dict[str, Path]:
        """The weights, and the configuration beside them."""
        return {"network": self.place.network} | ({"config": self.place.config} if self.place.config.is_file() else {})

    def build(self, classes: int) -> nn.Module:
        """timm's own way of reading weights, strictly: names of older releases are translated, nothing is dropped."""
        state, _ = read(self.place.network)
        elsewhere = dict.fromkeys(("file", "hf_hub_id", "url"))
        overlay = {**self.record, "num_classes": classes, "state_dict": state, **elsewhere}
        try:
            with ambient():
                module: nn.Module = _timm().create_model(
                    self.architecture,
                    pretrained=True,
                    pretrained_cfg_overlay=overlay,
                    num_classes=classes,
                    **self.arguments,
                )
        except (RuntimeError, TypeError, KeyError, ValueError, AssertionError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise WeightsError(
                f"The weights {self.place.network} are not those of timm's {self.architecture} with {classes} classes "
                f"({reason[:200]})."
            ) from error
        return module


def named(name: str, weights: str | None, revision: str) -> tuple[str, Timm]:
    """The model that timm calls by this name, with its tag spelled out; its weights are timm's own or those given.

    What stands in `config.json` beside the weights counts before what timm knows. Raises `UsageError` where timm has no
    such model.
    """
    timm = _timm()
    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=1, cutoff=0.5)
        raise UsageError(f"timm has no model {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
    try:
        record = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        tags = ", ".join(timm.list_pretrained(f"{architecture}.*"))
        raise UsageError(f"timm has no weights {name!r}; of {architecture} it has {tags}.") from error
    found = {} if record is None else {key: value for key, value in record.to_dict().items() if value is not None}
    if found.get("tag"):
        name = f"{architecture}.{found['tag']}"
    if weights is None:
        if not found.get("hf_hub_id"):
            raise UsageError(f"timm knows no weights of {name} on the hub; pass -D weights=FILE, a folder or a hub id.")
        weights = f"{found['hf_hub_id']}{'@' if revision else ''}{revision}"
    place = place_of(weights)
    if place.document() is None:
        return name, Timm(architecture, place, _checked(found, place), {})
    own = described(place)
    if own.architecture != architecture:
        raise WeightsError(f"{place.config} is of timm's {own.architecture}; {architecture} was asked for.")
    return name, own


def described(place: Place) -> Timm:
    """The model that a configuration in timm's form names. Raises `WeightsError` where timm has no such one."""
    document = place.document() or {}
    architecture = str(document.get("architecture")).partition(".")[0]
    if not _timm().is_model(architecture):
        raise WeightsError(f"{place.config} names no architecture of timm; found {architecture!r}.")
    record = dict(document.get("pretrained_cfg") or document)
    record.setdefault("label_names", record.pop("labels", None))
    record |= {key: document[key] for key in ("num_classes", "label_names") if key in document}
    arguments = document.get("model_args") or {}
    unfit = [key for key in arguments if key.startswith(_NOT_ARGUMENTS)]
    if [key for key in unfit if key != "num_classes"]:
        raise WeightsError(f"{place.config} sets {unfit[0]!r}, which is no argument of a model; take it out.")
    kept = {key: value for key, value in arguments.items() if key not in unfit}
    return Timm(architecture, place, _checked(record, place), kept)


def _checked(record: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """What timm's own record has room for; it must say what images are to be."""
    from timm.models import PretrainedCfg

    known = {field.name for field in fields(PretrainedCfg)}
    found = {key: value for key, value in record.items() if key in known and value is not None}
    for key in ("input_size", "mean", "std", "num_classes", "interpolation"):
        if key not in found:
            raise WeightsError(f"{place.config} does not say the {key} of the model; add it to its pretrained_cfg.")
    return found


@cache
def _timm() -> ModuleType:
    try:
        import timm
    except (ImportError, RuntimeError, AttributeError) as error:  # a torchvision of another build raises the latter two
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise PluginError(f"timm cannot be imported ({reason}); install it with {INSTALL}.") from error
    found: ModuleType = timm
    return found
