"""What is handed over in memory: as which plugin it is found, and when it is the same one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from attacks.gradient import PgdLinf
from bench import Attack, Batch, Network, Perturbed, PluginError, Task, ThreatModel, UsageError, Victim
from bench.api.references import arrays, attack_of, dataset_of, defense_of
from bench.datasets.digits import Digits
from bench.plugins.registry import attacks, datasets, defenses
from defenses.resnet import ResNet
from tests.plugins import Hyperplane

if TYPE_CHECKING:
    from torch import Generator

TASK = Task("small", ("a", "b"), (1, 2, 2))


class Scaled(nn.Module):
    """A linear layer behind a number and a function that no state dict holds."""

    def __init__(self, scale: float = 1.0, bend: Callable[[Tensor], Tensor] = torch.sin) -> None:
        super().__init__()
        self.layer, self.scale, self.bend = nn.Linear(4, 2), scale, bend
        with torch.no_grad():
            self.layer.weight.fill_(0.5)
            self.layer.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * self.layer(self.bend(images.flatten(1)))  # type: ignore[no-any-return]


def reference(found: object, folder: Path, name: str | None = None) -> str:
    return defense_of(found, name, folder)[0]


def test_a_module_is_its_class_its_settings_and_its_weights(tmp_path: Path) -> None:
    first = reference(Scaled(), tmp_path)
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/Scaled-[0-9a-f]{{16}}/Scaled\.py:Scaled", first)
    assert reference(Scaled(), tmp_path) == first
    assert reference(Scaled().train(), tmp_path) == first
    assert reference(Scaled(), tmp_path / "elsewhere").endswith(
        Path(first.partition(":")[0]).parent.name + "/Scaled.py:Scaled"
    )
    other = Scaled()
    with torch.no_grad():
        other.layer.weight[0, 0] += 1e-6
    different = [
        other,
        Scaled(2.0),
        Scaled(bend=lambda found: found + 1),
        Scaled(bend=lambda found: found + 2),
        Network(Scaled()),
        Network(Scaled(), (0.5,), (0.5,)),
        nn.Sequential(nn.Flatten(), nn.Linear(4, 2)),
    ]
    assert len({first, *(reference(found, tmp_path) for found in different)}) == 8


def test_what_lies_there_instead_of_it_is_not_taken_for_it(tmp_path: Path) -> None:
    first, other = (Path(reference(found, tmp_path).partition(":")[0]) for found in (Scaled(), Scaled(2.0)))
    (first.parent / "object.pkl").write_bytes((other.parent / "object.pkl").read_bytes())
    with pytest.raises(PluginError, match="is not what was kept there"):
        defenses.make(f"{first}:Scaled", {}).load(TASK, "cpu")


def test_hooks_gradients_and_the_order_of_attributes_are_nothing_of_it(tmp_path: Path) -> None:
    first = reference(Scaled(), tmp_path)
    used = Scaled()
    used(torch.ones(1, 1, 2, 2)).sum().backward()
    used.requires_grad_(False)
    assert reference(used, tmp_path) == first


def test_it_answers_as_it_did_in_memory(tmp_path: Path) -> None:
    images = torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    module = Scaled(bend=lambda found: found * 3)
    for found, expected in (
        (module, module(images)),
        (Network(module, (0.5,), (0.25,)), module((images - 0.5) / 0.25)),
    ):
        loaded = defenses.make(reference(found, tmp_path), {}).load(TASK, "cpu")
        assert torch.equal(loaded(images, torch.Generator()), expected)


def test_the_text_of_the_script_is_the_identity_and_its_place_is_none(tmp_path: Path) -> None:
    specs = [
        defenses.spec(found, defenses.make(found, {}), TASK)
        for found in (reference(Scaled(), tmp_path / "a"), reference(Scaled(), tmp_path / "b"))
    ]
    assert specs[0] == specs[1]
    assert specs[0].name == "Scaled.py:Scaled"
    assert str(tmp_path) not in str(specs[0].document())
    assert defenses.spec(*_made(reference(Scaled(2.0), tmp_path / "a"))) != specs[0]


def _made(found: str) -> tuple[str, Any, Task]:
    return found, defenses.make(found, {}), TASK


def test_a_plugin_that_every_process_can_import_is_its_own_name(tmp_path: Path) -> None:
    assert defense_of(ResNet(), None, tmp_path) == ("resnet", {})
    assert defense_of(Hyperplane(scale=4.0), None, tmp_path) == ("tests.plugins:Hyperplane", {"scale": 4.0})
    assert attack_of(PgdLinf(steps=7), tmp_path) == ("pgd-linf", {"steps": 7})
    assert dataset_of(Digits(), None, None, tmp_path) == ("digits", {})
    assert defense_of("resnet", None, tmp_path) == ("resnet", {})
    assert list(tmp_path.iterdir()) == []


def test_an_attack_of_this_session_is_kept_with_its_norm(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Darken(Attack):
        norm: ClassVar[str] = "linf"
        share: float = 0.5

        def perturb(self, victim: Victim, batch: Batch, threat: ThreatModel, rng: Generator) -> Perturbed:
            return Perturbed((batch.images - self.share * threat.radius).clamp(0, 1))

    found, settings = attack_of(Darken(), tmp_path)
    assert settings == {}
    assert found != attack_of(Darken(1.0), tmp_path)[0]
    attack = attacks.make(found, {})
    assert (attack.norm, attack.knowledge) == ("linf", Darken.knowledge)
    batch = Batch((0,), torch.ones(1, 1, 2, 2), torch.zeros(1, dtype=torch.int64))
    from fractions import Fraction

    proposed = attack.perturb(None, batch, ThreatModel("linf", Fraction("0.1")), torch.Generator())  # type: ignore[arg-type]
    assert torch.allclose(proposed.images, torch.full((1, 1, 2, 2), 0.95))


PIXELS = np.arange(3 * 3 * 4 * 4, dtype=np.uint8).reshape(3, 3, 4, 4)
LABELS = np.array([0, 1, 0])


class Pairs:
    """A torch data set of Pillow's images."""

    classes: ClassVar[list[str]] = ["cat", "dog"]

    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        return Image.fromarray(PIXELS[place].transpose(1, 2, 0)), int(LABELS[place])


class ClassLabel:
    names: ClassVar[list[str]] = ["cat", "dog"]


class Face:
    """What of Hugging Face's data sets is looked at."""

    def __init__(self, image: str = "Image") -> None:
        self.features = {"img": type(image, (), {})(), "label": ClassLabel()}

    def __getitem__(self, name: str) -> Any:
        return [pair[0] for pair in map(Pairs().__getitem__, range(3))] if name == "img" else LABELS.tolist()


def forms() -> Iterator[Any]:
    yield torch.from_numpy(PIXELS), torch.from_numpy(LABELS)
    yield PIXELS.astype(np.float32) / 255, LABELS.astype(np.int32)
    yield Pairs()
    yield Face()


@pytest.mark.parametrize("found", list(forms()), ids=lambda found: type(found).__name__)
def test_images_in_any_form_are_the_same_data_set(found: Any, tmp_path: Path) -> None:
    images, labels, _ = arrays(found)
    assert images.dtype == np.float32
    assert np.array_equal(images, PIXELS.astype(np.float32) / 255)
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 1, 0]
    reference, _ = dataset_of(found, "Mine", ["cat", "dog"], tmp_path)
    data = datasets.make(reference, {}).load("test", None)
    assert data.task == Task("Mine", ("cat", "dog"), (3, 4, 4))
    assert np.array_equal(data.read(range(3)).images.numpy(), images)
    assert reference == dataset_of((PIXELS, LABELS), "Mine", ["cat", "dog"], tmp_path)[0]
    assert reference != dataset_of((PIXELS, np.array([1, 1, 0])), "Mine", ["cat", "dog"], tmp_path)[0]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ((PIXELS.astype(float), LABELS), "Pixels lie in [0, 1]; these are between 0 and 143"),
        ((np.full((1, 1, 2, 2), np.nan), LABELS[:1]), "Pixels lie in [0, 1]"),
        ((PIXELS, LABELS[:2]), "Images are (N, C, H, W) and labels (N,); got (3, 3, 4, 4) and (2,)"),
        ((PIXELS[0], LABELS), "Images are (N, C, H, W)"),
        ((PIXELS, LABELS / 2), "Labels are whole numbers; got float64"),
        ((PIXELS, LABELS + 5), "Labels lie between 0 and 1"),
        ((PIXELS, -LABELS), "Labels lie between 0 and 1"),
        (Face("Audio"), "One column of the data set must be a Image; found 0 of img, label."),
        (7, "A data set is a name, a bench.Dataset, (images, labels)"),
    ],
)
def test_what_is_no_data_set_is_one_sentence(found: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        dataset_of(found, None, ["cat", "dog"], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("found", [7, Scaled, None, lambda images: images])
def test_what_is_no_defense_is_one_sentence(found: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="A defense is a name, a torch module"):
        defense_of(found, None, tmp_path)
    with pytest.raises(UsageError, match=r"An attack is a name or a bench\.Attack"):
        attack_of(found, tmp_path)


def test_a_module_that_cannot_be_written_says_what_to_do_and_leaves_nothing(tmp_path: Path) -> None:
    module = Scaled()
    module.lock = __import__("threading").Lock()
    with pytest.raises(UsageError, match=r"cannot be handed to another process.*name it as \./file\.py:Scaled"):
        defense_of(module, None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_names_become_identifiers(tmp_path: Path) -> None:
    assert reference(Scaled(), tmp_path, "my net-2").endswith("/my_net_2.py:my_net_2")
    assert reference(Scaled(), tmp_path, "2 fast").endswith("/Model2_fast.py:Model2_fast")
    assert reference(Scaled(), tmp_path, "../../etc").count("..") == 0
