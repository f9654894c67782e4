"""Where a defense's weights lie: in the user's place, packaged, or on the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import Task, WeightsError
from defenses.parts.weights.checkpoints import CONFIG, PICKLES, tells_its_shape
from defenses.parts.weights.hub import HUB_ID, SINGLE_FILES, download

PACKAGED = Path(__file__).resolve().parents[2] / "weights"
NOWHERE: Mapping[str, str] = {}
"""The ids of a defense of which the hub is not known to have weights."""


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
        if HUB_ID.fullmatch(weights) and path.suffix not in (".safetensors", *PICKLES):
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


def network_files(
    defense: str, weights: str | None, task: Task, hub: Mapping[str, str] = NOWHERE, config: bool = False
) -> dict[str, Path]:
    """The one file that holds a plain network's weights, by its role: `locate`, then look inside a folder.

    With `config` the configuration beside it too, where the file does not say itself what it holds.
    """
    wanted = (*SINGLE_FILES, CONFIG) if config else SINGLE_FILES
    path = single_file(locate(defense, weights, task, hub, wanted), defense)
    beside = path.with_name(CONFIG)
    needed = config and beside.is_file() and not tells_its_shape(path)
    return {"network": path} | ({"config": beside} if needed else {})


def single_file(path: Path, defense: str) -> Path:
    """The one file of weights that `path` is or, as a folder, holds under a customary name."""
    if path.is_file():
        return path
    names = (f"{defense}.safetensors", *SINGLE_FILES)
    for name in names:
        if (path / name).is_file():
            return path / name
    raise WeightsError(f"The folder {path} holds no weights of {defense}; looked for {', '.join(names)}.")
