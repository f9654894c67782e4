"""Where the files of a model that a library knows by name lie, and what every library tells of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench import WeightsError
from defenses.parts.weights.checkpoints import CONFIG
from defenses.parts.weights.hub import HUB_ID, download

if TYPE_CHECKING:
    from torch import nn

NETWORK = "model.safetensors"
PROCESSOR = "preprocessor_config.json"


@dataclass(frozen=True)
class Place:
    """One file of weights: the word by which it was found (a file, a folder, a hub id), and where it is."""

    word: str
    network: Path

    @property
    def config(self) -> Path:
        """The configuration beside it, whether or not it is there."""
        return self.network.with_name(CONFIG)

    def document(self) -> dict[str, Any] | None:
        """What the configuration says, None where there is none."""
        if not self.config.is_file():
            return None
        try:
            found = json.loads(self.config.read_text("utf-8"))
        except ValueError as error:
            raise WeightsError(f"The configuration {self.config} is no JSON; fetch it anew.") from error
        if not isinstance(found, dict):
            raise WeightsError(f"The configuration {self.config} should be a JSON object.")
        return found

    def processor(self) -> Path:
        """What says how images are prepared, fetched where the hub's cache has the weights alone."""
        path = self.network.with_name(PROCESSOR)
        if not path.is_file() and not is_local(self.word):
            path = download(self.word, (NETWORK, CONFIG, PROCESSOR), (PROCESSOR,)) / PROCESSOR
        if not path.is_file():
            raise WeightsError(f"There is no {path}, which says how images are prepared for the model; put it there.")
        return path


class Library(Protocol):
    """A model as the library that knows it tells of it."""

    @property
    def place(self) -> Place:
        """Where its weights are."""

    def labels(self) -> tuple[int, list[str] | None]:
        """How many classes it knows, and what it calls them where it says so."""

    def entrance(self) -> Mapping[str, Any]:
        """Its own `size`, `mean`, `std` and, by Pillow's names, `kernel`."""

    def files(self) -> dict[str, Path]:
        """The files that it is made from, by role."""

    def build(self, classes: int) -> nn.Module:
        """The network with its weights. Raises `WeightsError` where they do not fit."""


def is_local(word: str) -> bool:
    """Whether a word names what lies on this machine, rather than on the hub."""
    return Path(word).expanduser().exists()


def place_of(word: str) -> Place:
    """The weights in a file, a folder or a hub repository ('owner/name' or 'owner/name@revision'); safetensors alone.

    Raises `WeightsError` where there are none.
    """
    path = Path(word).expanduser()
    if not path.exists():
        if not HUB_ID.fullmatch(word):
            raise WeightsError(
                f"There is no model {word!r}; give timm/NAME, a hub id, a folder, or a .safetensors file."
            )
        path = download(word, (NETWORK, CONFIG, PROCESSOR), (NETWORK, CONFIG))
    network = path / NETWORK if path.is_dir() else path
    if not network.is_file() or network.suffix != ".safetensors":
        raise WeightsError(
            f"{word} holds no {NETWORK}, and weights of other kinds are not read here; convert them to safetensors."
        )
    return Place(word, network)
