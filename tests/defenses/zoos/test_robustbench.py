"""Models of RobustBench's zoo, and what happens where its package is missing or broken."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from bench import PluginError, Published, Spec, Store, Task, UsageError, WeightsError
from bench.cli.app import build
from bench.datasets.cifar10 import CLASSES, TASK
from defenses.parts.zoos import zoo
from defenses.robustbench import RobustBench
from tests import needs
from tests.analysis.made import add, make_plan

SMALL = "Wong2020Fast"
"""A PreAct ResNet-18, one of the smallest models of the zoo."""


def state_of(model: str, norm: str = "Linf") -> dict[str, torch.Tensor]:
    """Random weights of a model of the zoo."""
    found = zoo.Entry(model, "cifar10", norm.lower(), 10)._found()
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = found["model"]().state_dict()
    return state


def place(folder: Path, content: Any, norm: str = "Linf", name: str = SMALL) -> Path:
    """A checkpoint where the zoo looks for it."""
    path = folder / "cifar10" / norm / f"{name}.pt"
    path.parent.mkdir(parents=True)
    torch.save(content, path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten random test images of CIFAR-10."""
    random = np.random.RandomState(0)
    for name in CLASSES:
        (tmp_path / "images" / "test" / name).mkdir(parents=True)
        pixels = random.randint(0, 256, (32, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / "test" / name / "0.png")
    return tmp_path / "images"


@pytest.fixture
def unimported(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing of the package had been imported yet."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("robustbench", "timm", "torchvision")]:
        monkeypatch.delitem(sys.modules, name)
    zoo._models.cache_clear()


@needs.robustbench
def test_a_model_with_the_checkpoint_where_the_zoo_looks_is_evaluated(tmp_path: Path, images: Path) -> None:
    path = place(tmp_path / "models", state_of(SMALL))
    words = ["evaluate", "--defense", "robustbench", "-D", f"model={SMALL}", "-D", f"model_dir={tmp_path / 'models'}"]
    where = ["--dataset", "cifar10", "--data-dir", str(images), "--db", str(tmp_path / "results.db")]
    how = [
        "--attack",
        "fgsm-linf",
        "--source",
        "self",
        "--samples",
        "10",
        "--device",
        "cpu",
        "--workers",
        "1",
        "--json",
    ]
    run = CliRunner().invoke(build(), [*words, *where, *how])
    assert run.exit_code == 0, run.stderr
    assert json.loads(run.stdout)["assurance"] == "white-box"
    assert RobustBench(SMALL, model_dir=str(tmp_path / "models")).files(TASK) == {"network": path}


@needs.robustbench
def test_a_loaded_model_answers_as_the_zoo_built_it(tmp_path: Path) -> None:
    place(tmp_path, {"last": state_of("Andriushchenko2020Understanding")}, name="Andriushchenko2020Understanding")
    classifier = RobustBench("Andriushchenko2020Understanding", model_dir=str(tmp_path)).load(TASK, "cpu")
    expected = zoo.Entry("Andriushchenko2020Understanding", "cifar10", "linf", 10)._found()["model"]().eval()
    expected.load_state_dict(state_of("Andriushchenko2020Understanding"))
    shown = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(classifier(shown, torch.Generator()), expected(shown))


@needs.robustbench
def test_the_norm_chooses_the_leaderboard_and_its_folder(tmp_path: Path) -> None:
    name = "Rade2021Helper_R18_ddpm"
    path = place(tmp_path, state_of(name, "L2"), "L2", name)
    defense = RobustBench(name, norm="l2", model_dir=str(tmp_path))
    assert defense.files(TASK) == {"network": path}
    assert defense.resolve(TASK).data == "cifar10"
    assert defense.load(TASK, "cpu").module.training is False


@needs.robustbench
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    place(tmp_path, {"state_dict": state_of(SMALL), "hook": print})
    with pytest.raises(WeightsError, match="holds more than tensors"):
        RobustBench(SMALL, model_dir=str(tmp_path)).load(TASK, "cpu")


@needs.robustbench
def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    place(tmp_path, {"conv1.weight": torch.zeros(3)})
    with pytest.raises(WeightsError, match=f"none of {SMALL}"):
        RobustBench(SMALL, model_dir=str(tmp_path)).load(TASK, "cpu")


@needs.robustbench
@pytest.mark.parametrize("model", [SMALL, "Debenedetti2022Light_XCiT-S12"])
def test_a_missing_checkpoint_without_a_network_is_one_sentence_that_says_where_to_put_it(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    with pytest.raises(
        WeightsError, match=rf"{model}\.pt and could not be downloaded .* fetch https://.* put it there"
    ):
        RobustBench(model, model_dir=str(tmp_path)).files(TASK)


@needs.robustbench
def test_an_unknown_model_is_told_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="Did you mean 'Wong2020Fast'"):
        RobustBench("Wong2020Fst").files(TASK)


@needs.robustbench
def test_nothing_of_the_aliases_is_left_behind() -> None:
    load = torch.load
    RobustBench(SMALL)._entry(TASK)._found()
    assert torch.load is load
    assert "pkg_resources" not in sys.modules or importlib.util.find_spec("pkg_resources") is not None


def test_other_images_are_refused_before_the_package_is_imported() -> None:
    with pytest.raises(UsageError, match="digits is none of them"):
        RobustBench(SMALL).resolve(Task("digits", tuple("0123456789"), (1, 8, 8)))
    with pytest.raises(UsageError, match="know 10 classes; pets has 2"):
        RobustBench(SMALL, data="cifar10").resolve(Task("pets", ("cat", "dog"), (3, 32, 32)))


@pytest.mark.usefixtures("unimported")
def test_without_the_package_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "robustbench", None)
    with pytest.raises(PluginError, match=r"cannot be imported .* install it with pip install 'defense-bench\[robust"):
        RobustBench(SMALL).files(TASK)


@pytest.fixture
def unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a torchvision that was built for another torch, and a robustbench that needs it."""
    bodies = {
        "torchvision": "raise RuntimeError('operator torchvision::nms does not exist')",
        "robustbench": "import torchvision",
    }
    for name, body in bodies.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(body + "\n")
        facts = tmp_path / f"{name}-9.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("unimported", "unfit")
def test_a_torchvision_that_does_not_fit_torch_is_one_sentence() -> None:
    with pytest.raises(PluginError, match=r"torchvision does not fit torch .*nms does not exist.* 'defense-bench\["):
        RobustBench(SMALL).files(TASK)


def test_with_a_torchvision_that_does_not_fit_torch_other_defenses_work(unfit: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(unfit)!r})\n"
        "import torch; from bench.plugins.registry import defenses; from bench.datasets.digits import TASK\n"
        "for name in ('resnet', 'vit', 'diffusion-classifier', 'tmdc'):\n"
        "    assert defenses.make(name, {}).load(TASK, 'cpu')(torch.rand(1, 1, 8, 8), torch.Generator()).shape[1] == 10"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the package were not installed."""
    found = importlib.metadata.Distribution.from_name

    def others(name: str) -> importlib.metadata.Distribution:
        if name == "robustbench":
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", others)


DESCRIPTION = """Metadata-Version: 2.1
Name: robustbench
Version: 9.0

### CIFAR-10

#### L2, eps=0.5

| <sub>#</sub> | <sub>Model ID</sub> | <sub>Paper</sub> | <sub>Clean accuracy</sub> | <sub>Robust accuracy</sub> |
| <sub>**1**</sub> | <sub><sup>**Fine_WRN-28-10**</sup></sub> | <sub>*[Fine [sic] Nets](https://a.b/c)*</sub> | \
<sub>95.54%</sub> | <sub>84.97%</sub> | <sub>WideResNet-28-10</sub> | <sub>ICML 2023</sub> |

#### Common Corruptions

| <sub>**1**</sub> | <sub><sup>**Plain**</sup></sub> | <sub>Plain Nets</sub> | <sub>90%</sub> | <sub>70.5%</sub> | \
<sub>AlexNet</sub> | <sub>N/A</sub> |

## Notebooks

### FAQ

#### Linf, eps=8/255

| <sub>**1**</sub> | no model | but a sentence |
"""


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose description has two leaderboards."""
    (tmp_path / "robustbench-9.0.dist-info").mkdir()
    (tmp_path / "robustbench-9.0.dist-info" / "METADATA").write_text(DESCRIPTION)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("described")
def test_the_zoos_models_have_the_figures_that_its_package_publishes() -> None:
    source = "RobustBench 9.0"
    assert RobustBench.models() == [
        Published(
            *("Fine_WRN-28-10", "cifar10", "l2", Fraction(1, 2), 0.9554, 0.8497),
            *("Fine [sic] Nets", "ICML 2023", source),
        ),
        Published("Plain", "cifar10", "corruptions", None, 0.9, 0.705, "Plain Nets", "N/A", source),
    ]


@pytest.mark.usefixtures("described")
def test_the_models_are_listed_as_published_and_not_as_measured() -> None:
    listed = CliRunner().invoke(build(), ["list", "models"], env={"COLUMNS": "200"})
    assert listed.exit_code == 0
    assert "published by RobustBench 9.0, not measured by bench" in listed.stdout
    assert "84.97%" in listed.stdout
    rows = json.loads(CliRunner().invoke(build(), ["list", "models", "--json"]).stdout)
    assert [row["epsilon"] for row in rows] == ["1/2", None]
    assert {(row["defense"], row["assurance"]) for row in rows} == {("robustbench", "published")}


@pytest.mark.usefixtures("described")
def test_the_report_shows_the_published_figures_of_its_data_sets(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.db")
    add(store, make_plan("resnet", dataset=Spec("cifar10")), [True] * 1024, [True] * 1024)
    words = ["report", "--db", str(tmp_path / "results.db"), "--output", str(tmp_path / "page.html")]
    written = CliRunner().invoke(build(), [*words, "--published", "robustbench"])
    assert written.exit_code == 0, written.stderr
    page = (tmp_path / "page.html").read_text()
    assert "Published elsewhere" in page
    assert "84.97" in page


@pytest.mark.usefixtures("absent")
def test_without_the_package_the_list_of_models_names_the_extra() -> None:
    listed = CliRunner().invoke(build(), ["list", "models"], env={"COLUMNS": "200"})
    assert listed.exit_code == 0
    assert "pip install 'defense-bench[robustbench]'" in listed.stderr


@needs.robustbench
@pytest.mark.parametrize(
    ("data", "norm"),
    [
        ("cifar10", "linf"),
        ("cifar10", "l2"),
        ("cifar10", "corruptions"),
        ("cifar100", "linf"),
        ("cifar100", "corruptions"),
        ("imagenet", "linf"),
        ("imagenet", "corruptions"),
    ],
)
def test_every_model_of_the_zoo_is_listed(data: str, norm: str) -> None:
    listed = {model.name for model in RobustBench.models() if (model.dataset, model.norm) == (data, norm)}
    assert listed == set(zoo._models(data, norm))
