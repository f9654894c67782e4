"""How files of weights are read and written, without ever executing what is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import WeightsError
from defenses.parts.weights.transformer_names import is_foreign

if TYPE_CHECKING:
    from torch import Tensor, nn

CONFIG = "config.json"
PICKLES = (".pt", ".pth", ".bin", ".tar")


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A checkpoint's tensors by name, and its metadata (safetensors only).

    Of pickles (.pt, .pth, .pth.tar, .bin) only tensors and plain containers are read (`weights_only`).
    Raises `WeightsError` where the file is missing, corrupt or of another kind.
    """
    if not path.is_file():
        raise WeightsError(f"The weights {path} do not exist.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in PICKLES:
        return _read_pickle(path), {}
    raise WeightsError(
        f"The weights {path} are of an unknown kind; expected .safetensors, .pt, .pth, .pth.tar or .bin."
    )


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load a state dict strictly; `WeightsError` names the file and the first key that does not fit."""
    wanted = module.state_dict()
    for key, value in wanted.items():
        if key not in state:
            raise WeightsError(f"The weights {path} are of another architecture: {key!r} is missing.")
        if state[key].shape != value.shape:
            found, expected = tuple(state[key].shape), tuple(value.shape)
            raise WeightsError(
                f"The weights {path} are of another architecture: {key!r} has shape {found}; {expected} was expected."
            )
    for key in state:
        if key not in wanted:
            raise WeightsError(f"The weights {path} are of another architecture: {key!r} is unexpected.")
    module.load_state_dict(dict(state))


def save(path: Path, state: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    """Write tensors as safetensors, whole or not at all; equal tensors give equal bytes.

    At most one entry of metadata: the format writes several in any order.
    """
    from safetensors.torch import save as serialise

    part = path.with_name(path.name + ".part")
    part.write_bytes(serialise({key: value.detach().cpu().contiguous() for key, value in state.items()}, metadata))
    part.replace(path)
    return path


def metadata_of(path: Path) -> dict[str, str]:
    """What a file of weights says of itself; nothing where it is of another kind, or damaged. Needs no torch."""
    return _header(path)[0]


def tells_its_shape(path: Path) -> bool:
    """Whether a file of weights needs no configuration beside it: it holds one, or its names say what it is."""
    metadata, names = _header(path)
    return "config" in metadata or is_foreign(names)


def configuration(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """An architecture's configuration: from the file's own metadata, else from `config.json` beside it."""
    beside = path.with_name(CONFIG)
    try:
        text = metadata["config"] if "config" in metadata else beside.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"The weights {path} come without a configuration; {beside} is missing or no JSON."
        ) from error
    if not isinstance(found, dict):
        raise WeightsError(f"The configuration of {path} should be a JSON object; found {type(found).__name__}.")
    return found


def _header(path: Path) -> tuple[dict[str, str], list[str]]:
    """The metadata and the tensors' names of a safetensors file; none of any other."""
    if path.suffix != ".safetensors":
        return {}, []
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            return opened.metadata() or {}, list(opened.keys())
    except (SafetensorError, OSError):
        return {}, []


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118 no iterator
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"The weights {path} are corrupt: {error}.") from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive raises whatever the unpickler stumbles over
        raise WeightsError(
            f"The weights {path} are corrupt or hold more than tensors; convert them to safetensors."
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise WeightsError(f"The weights {path} should hold a state dict: tensors by name.")
    return {key.removeprefix("module."): value for key, value in found.items()}
