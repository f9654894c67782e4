"""The diffusion classifier against a plain loop over images, classes and timesteps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench import UsageError, WeightsError
from bench.datasets.digits import TASK, Digits
from defenses.diffusion_classifier import DiffusionClassifier
from defenses.parts import pixels
from defenses.parts.denoiser import Denoiser
from defenses.parts.diffusion import LATENT_SEARCH, classifier, denoiser_for
from defenses.parts.elimination import DiffusionClassification, Search
from defenses.parts.noise_errors import Chunks, Rows, error_table
from tests.defenses.tiny import COLOURS, GREYS, plain_errors, stable_diffusion

PROMPT = "a photo of {class}."


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["epsilon", "v_prediction"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return stable_diffusion(tmp_path / "tiny", request.param)


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, shape: tuple[int, ...] = (3, 8, 8)) -> Tensor:
    return torch.rand(count, *shape, generator=rng(5))


def unstaged(folder: Path, loss: str = "l1", rows: int | None = None) -> DiffusionClassifier:
    return DiffusionClassifier(weights=str(folder), timesteps=4, prompt=PROMPT, loss=loss, rows=rows)  # type: ignore[arg-type]


def pixel_classifier(settings: DiffusionClassifier, dtype: torch.dtype = torch.float32) -> DiffusionClassification:
    """A classifier of greys by an untrained network whose every weight is set."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = pixels.build(GREYS).to(dtype)
    denoiser = pixels.PixelDenoiser(network.eval().requires_grad_(False), pixels.SCHEDULE, Path("untrained"))
    return classifier(denoiser, settings, GREYS, "cpu")


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_errors_by_class_equal_a_plain_loop_over_images_classes_and_timesteps(folder: Path, loss: str) -> None:
    settings = unstaged(folder, loss, rows=7)
    grid = [125, 375, 625, 875]
    noise = torch.randn(4, 4, 8, 8, generator=rng())
    with torch.no_grad():
        logits = settings.load(COLOURS, "cpu")(images(3), rng())
        expected = plain_errors(folder, images(3), noise, grid, loss, PROMPT)
    torch.testing.assert_close(-logits / noise[0].numel(), expected.mean(2), rtol=1e-4, atol=1e-6)
    denoiser = denoiser_for(folder, settings, COLOURS, "cpu")
    with torch.no_grad():
        codes = denoiser.encode(images(3))
        rows = Rows(torch.arange(4).expand(3, -1), torch.tensor(grid), noise)
        table = error_table(denoiser, codes, rows, loss, Chunks(5, 2, 2))
    torch.testing.assert_close(table, expected, rtol=1e-4, atol=1e-6)


def test_the_white_box_gradient_equals_autograd_through_the_plain_loop(folder: Path) -> None:
    weighting = torch.randn(2, 4, generator=rng(9))
    ours, plain = images(2).requires_grad_(True), images(2).requires_grad_(True)
    logits = unstaged(folder, rows=3).load(COLOURS, "cpu")(ours, rng())
    noise = torch.randn(4, 4, 8, 8, generator=rng())
    errors = plain_errors(folder, plain, noise, [125, 375, 625, 875], "l1", PROMPT)
    (gradient,) = torch.autograd.grad((logits * weighting).sum(), ours)
    (expected,) = torch.autograd.grad((-errors.mean(2) * noise[0].numel() * weighting).sum(), plain)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_the_staged_gradient_equals_finite_differences_in_double_precision() -> None:
    settings = DiffusionClassifier(timesteps=4, seen=(2, 4), kept=(2, 1), loss="l2", rows=5)
    model = pixel_classifier(settings, torch.float64)
    start = images(2, GREYS.shape).double()
    weighting = torch.randn(2, 3, generator=rng(9)).double()
    direction = torch.randn(start.shape, generator=rng(8)).double()

    def value(inputs: Tensor) -> Tensor:
        return (model(inputs, rng()) * weighting).sum()

    leaf = start.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(leaf), leaf)
    with torch.no_grad():
        slope = (value(start + 1e-6 * direction) - value(start - 1e-6 * direction)) / 2e-6
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-5)


@pytest.mark.parametrize("rows", [1, 3, 16, 1000])
def test_any_cut_into_chunks_gives_the_same_logits_and_gradient(rows: int) -> None:
    settings = DiffusionClassifier(timesteps=6, seen=(2, 6), kept=(2, 1))
    results = []
    for size in (7, rows):
        model = pixel_classifier(replace(settings, rows=size), torch.float64)
        leaf = images(3, GREYS.shape).double().requires_grad_(True)
        logits = model(leaf, rng())
        results.append((logits.detach(), torch.autograd.grad(logits.square().sum(), leaf)[0]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-9, atol=1e-9)


class KnownErrors(Denoiser):
    """A denoiser of black images whose error under class k at timestep t is exactly `table[k, t]`."""

    pixels = True

    def __init__(self, table: Tensor) -> None:
        self.network = nn.Identity()
        self.schedule = torch.linspace(0.9, 0.1, table.shape[1], dtype=torch.float64)
        self._table = table

    def encode(self, images: Tensor) -> Tensor:
        return images * 0

    def sample(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return self.encode(images)

    def noise(self, noisy: Tensor, steps: Tensor, classes: Tensor, signal: Tensor) -> Tensor:
        return noisy / (1 - signal).sqrt() + self._table[classes, steps].view(-1, 1, 1, 1)


def known_logits(table: Tensor, search: Search) -> list[float]:
    model = DiffusionClassification(KnownErrors(table), search, len(table), Chunks(4, 4, 4))
    found: list[float] = model(torch.zeros(1, 1, 2, 2), rng())[0].tolist()
    return found


def test_logits_are_minus_the_mean_error_times_the_size_of_a_code_whenever_a_class_was_eliminated() -> None:
    offsets = torch.tensor([0.6, 0.1, 0.5, 0.3, 0.2, 0.4])
    search = Search(8, 0, 8, (2, 4, 8), (4, 2, 1), "l1")
    logits = known_logits(offsets[:, None].expand(-1, 8), search)
    assert logits == pytest.approx((-4 * offsets).tolist(), abs=1e-5)


def test_a_class_eliminated_by_bad_luck_still_ranks_below_every_survivor() -> None:
    search = Search(8, 0, 8, (2, 8), (2, 1), "l1")
    first = search.stages()[0]
    table = torch.full((3, 8), 0.9)
    table[2] = 0.0
    table[2, list(first)] = 1.5
    logits = known_logits(table, search)
    assert logits[2] < min(logits[:2])
    assert logits[2] == pytest.approx(-4 * (0.9 + 1.5 - 0.9), abs=1e-5)


def test_the_published_search_looks_at_the_published_timesteps() -> None:
    assert LATENT_SEARCH.grid() == tuple(range(1, 1000, 2))
    first, second = LATENT_SEARCH.stages()
    assert [LATENT_SEARCH.grid()[place] for place in first[:3]] == [11, 31, 51]
    assert (len(first), len(second)) == (50, 450)
    assert sorted(first + second) == list(range(500))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seen": (5, 10)}, "up to 30"),
        ({"seen": (30, 5)}, "ever more"),
        ({"kept": (3, 2)}, "down to 1"),
        ({"lowest": 400}, "0 <= lowest < highest"),
        ({"highest": 2000}, "knows timesteps below 1000"),
        ({"rows": 0}, "rows must be at least 1"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(changes: dict[str, object], reason: str) -> None:
    settings = replace(DiffusionClassifier(), **changes)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=reason):
        pixel_classifier(settings)


def test_an_image_gets_the_same_logits_alone_and_in_company() -> None:
    model = pixel_classifier(DiffusionClassifier(), torch.float64)
    batch = images(3, GREYS.shape).double()
    together = model(batch, rng())
    torch.testing.assert_close(model(batch[2:], rng()), together[2:])
    assert not torch.equal(model(batch, rng(2)), together)


def test_shrinking_halves_the_rows_until_one_is_left_and_changes_no_prediction() -> None:
    model = pixel_classifier(DiffusionClassifier(rows=6))
    before = model(images(2, GREYS.shape), rng())
    assert [model.shrink(), model.shrink()] == ["chunks of 3 rows", "chunks of 1 rows"]
    torch.testing.assert_close(model(images(2, GREYS.shape), rng()), before, rtol=1e-4, atol=1e-4)
    for _ in range(20):
        model.shrink()
    assert model.shrink() is None


def test_the_gradient_keeps_a_graph_for_one_chunk_only_however_many_timesteps_there_are() -> None:
    most_rows, kept_by_forward = set(), set()
    for timesteps in (4, 16, 64):
        model = pixel_classifier(DiffusionClassifier(timesteps=timesteps, rows=6))
        under_graph: list[int] = []
        kept: list[int] = []
        model.denoiser.network.register_forward_pre_hook(partial(_note_rows, under_graph))
        leaf = images(2, GREYS.shape).requires_grad_(True)
        with torch.autograd.graph.saved_tensors_hooks(partial(_note_size, kept), _as_it_is):
            logits = model(leaf, rng())
        assert under_graph == []
        torch.autograd.grad(logits.sum(), leaf)
        assert sum(under_graph) == 2 * 3 * timesteps
        most_rows.add(max(under_graph))
        kept_by_forward.add(sum(kept))
    assert most_rows == {6}
    assert len(kept_by_forward) == 1


def test_images_are_encoded_one_part_at_a_time_and_again_for_the_gradient(tmp_path: Path) -> None:
    model = unstaged(stable_diffusion(tmp_path / "tiny")).load(COLOURS, "cpu")
    encoded: list[int] = []
    model.denoiser._autoencoder.encoder.register_forward_pre_hook(partial(_note_images, encoded))  # type: ignore[attr-defined]
    leaf = images(3).requires_grad_(True)
    torch.autograd.grad(model(leaf, rng()).sum(), leaf)
    assert encoded == [1] * 6


def test_a_half_precision_network_keeps_a_small_gradient(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    gradients = []
    for precision in ("float32", "bfloat16"):
        model = replace(unstaged(folder), precision=precision).load(COLOURS, "cpu")  # type: ignore[arg-type]
        leaf = images(1).requires_grad_(True)
        (gradient,) = torch.autograd.grad(1e-20 * model(leaf, rng())[0, 1], leaf)
        gradients.append(gradient.flatten() * 1e20)
    assert float(torch.nn.functional.cosine_similarity(*gradients, dim=0)) > 0.9


def test_the_gradient_recomputes_only_the_rows_that_matter() -> None:
    model = pixel_classifier(DiffusionClassifier(timesteps=4, rows=100))
    under_graph: list[int] = []
    model.denoiser.network.register_forward_pre_hook(partial(_note_rows, under_graph))
    leaf = images(5, GREYS.shape).requires_grad_(True)
    torch.autograd.grad(model(leaf, rng())[2, 1], leaf)
    assert under_graph == [4]


def _note_rows(seen: list[int], module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
    if torch.is_grad_enabled() and arguments[0].requires_grad:
        seen.append(len(arguments[0]))


def _note_images(seen: list[int], module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
    seen.append(len(arguments[0]))


def _note_size(seen: list[int], saved: Tensor) -> Tensor:
    seen.append(saved.numel())
    return saved


def _as_it_is(saved: Tensor) -> Tensor:
    return saved


def test_digits_are_classified_as_the_card_promises_and_differentiably() -> None:
    model = DiffusionClassifier().load(TASK, "cpu")
    batch = Digits().load("test", None).read(range(64))
    with torch.no_grad():
        assert int((model(batch.images, rng()).argmax(1) == batch.labels).sum()) >= 62
    leaf = batch.images[:2].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model(leaf, rng()).logsumexp(1).sum(), leaf)
    assert bool(gradient.isfinite().all())
    assert float(gradient.abs().max()) > 0


def test_an_incomplete_stable_diffusion_is_refused_with_the_missing_file(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    (folder / "vae" / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"vae/config\.json is missing"):
        DiffusionClassifier(weights=str(folder)).files(COLOURS)


def test_stable_diffusion_refuses_a_prompt_without_a_class_grey_images_and_damaged_weights(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "tiny")
    settings = DiffusionClassifier(weights=str(folder))
    with pytest.raises(UsageError, match=r"must contain \{class\}"):
        replace(settings, prompt="a photo").load(COLOURS, "cpu")
    with pytest.raises(UsageError, match="colour images"):
        settings.load(GREYS, "cpu")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="unet"):
        settings.load(COLOURS, "cpu")


def test_a_denoiser_of_other_classes_is_refused() -> None:
    packaged = DiffusionClassifier().files(TASK)["denoiser"]
    with pytest.raises(WeightsError, match="num_class_embeds is 10; 3 is needed"):
        DiffusionClassifier(weights=str(packaged)).load(GREYS, "cpu")


def test_a_hub_id_without_a_network_is_one_sentence_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="pass -D weights=FOLDER"):
        DiffusionClassifier(weights="nobody/nothing").files(COLOURS)
