"""Where weights lie (packaged, local, hub) and how they are read without ever executing what is in them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import Task, WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

PACKAGED = Path(__file__).resolve().parents[2] / "weights"
MODELS = {
    "unet": ("diffusion_pytorch_model.safetensors", "config.json"),
    "vae": ("diffusion_pytorch_model.safetensors", "config.json"),
    "text_encoder": ("model.safetensors", "config.json"),
    "scheduler": ("scheduler_config.json",),
    "tokenizer": ("tokenizer_config.json",),
}
"""The files of each model of Stable Diffusion in diffusers' layout, by folder."""
SINGLE_FILES = ("model.safetensors", "diffusion_pytorch_model.safetensors", "pytorch_model.bin")
"""Customary names of a network's one file, the one to prefer first."""
CONFIG = "config.json"
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w.-]+)?")
_PICKLES = (".pt", ".pth", ".bin", ".tar")


def locate(defense: str, weights: str | None, task: Task, hub: Mapping[str, str], files: Sequence[str]) -> Path:
    """The file or folder that holds a defense's weights: the user's, else the packaged ones, else the hub's.

    `weights` is a local path or a hub id ('owner/name' or 'owner/name@revision'); `hub` gives the default id by data
    set; `files` are the patterns to fetch from a hub repository.
    Raises `WeightsError` where nothing is found, with what to do.
    """
    if weights is not None:
        path = Path(weights).expanduser()
        if path.exists():
            return path
        if HUB_ID.fullmatch(weights) and path.suffix not in (".safetensors", *_PICKLES):
            return download(weights, files)
        raise WeightsError(f"The weights {weights!r} of {defense} do not exist; give a file, a folder or a hub id.")
    packaged = PACKAGED / task.dataset / f"{defense}.safetensors"
    if packaged.exists():
        return packaged
    if task.dataset in hub:
        return download(hub[task.dataset], files)
    raise WeightsError(
        f"No weights of {defense} are known for {task.dataset}; pass -D weights=FILE, or make some with "
        f"'bench train {defense} --dataset {task.dataset}'."
    )


def network_file(defense: str, weights: str | None, task: Task, hub: Mapping[str, str]) -> Path:
    """The one file that holds a plain network's weights: `locate`, then look inside a folder."""
    return single_file(locate(defense, weights, task, hub, SINGLE_FILES), defense)


def network_with_config(defense: str, weights: str | None, task: Task, hub: Mapping[str, str]) -> dict[str, Path]:
    """`network_file` by its role, and the configuration beside it where the file does not say itself what it holds."""
    path = single_file(locate(defense, weights, task, hub, (*SINGLE_FILES, CONFIG)), defense)
    config = path.with_name(CONFIG)
    return {"network": path} | ({"config": config} if config.is_file() and not _tells_its_shape(path) else {})


def download(name: str, files: Sequence[str], needed: Sequence[str] = ()) -> Path:
    """The local snapshot of a hub repository ('owner/name' or 'owner/name@revision'), fetched where it is missing.

    What lies complete in the hub's cache is taken from there without asking the hub: a revision never changes, and a
    branch is followed no further than it has been fetched. Of several files with the same weights one is fetched. A
    snapshot without one of the files `needed` is not complete.
    """
    repository, _, revision = name.partition("@")
    found = _cached(repository, revision)
    if found is not None and _is_whole(found, files) and all((found / file).is_file() for file in needed):
        return found
    return _fetched(repository, revision, tuple(files))


@cache
def _fetched(repository: str, revision: str, files: tuple[str, ...]) -> Path:
    """The snapshot as the hub has it now, asked for once in a process; without a network what the cache has of it."""
    from huggingface_hub import HfApi, snapshot_download

    try:  # asked first because a download without a network tries again and again
        listed = HfApi().model_info(repository, revision=revision or None, timeout=10).siblings or ()
        wanted = _wanted({file.rfilename for file in listed}, files)
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=wanted))
    except Exception as error:  # the hub's client lets its transport's errors through, whatever the transport is
        found = _cached(repository, revision)
        if found is not None:  # who reads it says what it lacks
            return found
        raise WeightsError(
            f"The weights {repository} could not be fetched from the hub ({type(error).__name__}); "
            f"download them where there is a network and give their folder in the place of the name."
        ) from error


def _cached(repository: str, revision: str) -> Path | None:
    """The snapshot in the hub's cache, whole or in part."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision or None, local_files_only=True))
    except Exception:  # its class has changed from release to release; whatever it is, nothing is there
        return None


def _is_whole(folder: Path, files: Sequence[str]) -> bool:
    """Whether a snapshot surely holds all that is wanted: an interrupted or narrower download leaves a part of it."""
    if any("*" in pattern and "/" not in pattern and not pattern.endswith(".json") for pattern in files):
        return False  # only the hub knows how many there are
    file = next((folder / name for name in SINGLE_FILES if name in files and (folder / name).is_file()), None)
    if file is not None:
        return CONFIG not in files or (folder / CONFIG).is_file() or _tells_its_shape(file)
    if not any("/" in pattern for pattern in files):
        return False
    try:
        parts = json.loads((folder / "model_index.json").read_text("utf-8"))
    except (OSError, ValueError):
        parts = MODELS
    words = [folder / "tokenizer" / name for name in ("tokenizer.json", "vocab.json")]
    return all((folder / part / name).is_file() for part in MODELS if part in parts for name in MODELS[part]) and (
        "tokenizer" not in parts or any(file.is_file() for file in words)
    )


def _wanted(names: Collection[str], files: Sequence[str]) -> list[str]:
    """The patterns to fetch from a repository of these files: of a network's one file only the name to prefer."""
    first = next((name for name in SINGLE_FILES if name in files and name in names), None)
    return [pattern for pattern in files if pattern not in SINGLE_FILES or pattern == first]


def single_file(path: Path, defense: str) -> Path:
    """The one file of weights that `path` is or, as a folder, holds under a customary name."""
    if path.is_file():
        return path
    names = (f"{defense}.safetensors", *SINGLE_FILES)
    for name in names:
        if (path / name).is_file():
            return path / name
    raise WeightsError(f"The folder {path} holds no weights of {defense}; looked for {', '.join(names)}.")


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A checkpoint's tensors by name, and its metadata (safetensors only).

    Of pickles (.pt, .pth, .pth.tar, .bin) only tensors and plain containers are read (`weights_only`).
    Raises `WeightsError` where the file is missing, corrupt or of another kind.
    """
    if not path.is_file():
        raise WeightsError(f"The weights {path} do not exist.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in _PICKLES:
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


def _tells_its_shape(path: Path) -> bool:
    """Whether a file of weights needs no configuration beside it: it holds one, or its names say what it is."""
    from defenses.parts.weights.transformer_names import is_foreign

    metadata, names = _header(path)
    return "config" in metadata or is_foreign(names)


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
