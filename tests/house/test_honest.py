"""No honest plugin is accused: every registered defense under every registered attack, on the embedded digits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.results.summary import read
from bench.evaluation.evaluate import evaluate_at
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.running.archive import Archive
from bench.evaluation.running.crew import Crew
from bench.evaluation.running.run import Site
from bench.plugins.registry import attacks, defenses
from bench.protocols import find_protocol
from bench.store.store import Store
from tests.evaluation.observers import Memory

NETS = ("resnet", "wide-resnet", "vit", "pgd-at", "trades", "jem")
DEFENSES = tuple(listing.name for listing in defenses.listings() if "required" not in listing.settings.values())
REFUSED = "as-published-tmdc"
"""It leaves its budget to show a published fault."""
ATTACKS = tuple(listing.name for listing in attacks.listings() if not listing.family and listing.name != REFUSED)
SHORT = {
    "one-pixel": {"generations": "10", "population": "50"},
    "cw-l2": {"steps": "50", "search_steps": "2"},
    "certify-l2": {"n": "1000"},
    "pdpgd-linf": {"steps": "100"},
    "pdpgd-l2": {"steps": "100"},
    "pdpgd-l1": {"steps": "100"},
    "sigma-zero-l0": {"steps": "100"},
    **{f"a3-{norm}": {"restarts": "1"} for norm in ("linf", "l2")},
    **{
        f"adaptive-{norm}": {"restarts": "1", "targets": "1", "n_iter": "20", "pgd_steps": "10", "n_queries": "100"}
        for norm in ("linf", "l2")
    },
    **{f"square-{norm}": {"n_queries": "500"} for norm in ("linf", "l2", "l1")},
    **{f"fab{kind}-{norm}": {"n_iter": "20"} for kind in ("", "-t") for norm in ("linf", "l2", "l1")},
}
SMOOTHED = ("smoothing", "denoised-smoothing")
"""What can be certified."""
PAIRS = [(name, attack) for name in DEFENSES for attack in ATTACKS if attack != "certify-l2" or name in SMOOTHED]


@contextmanager
def set_up(folder: Path) -> Iterator[Site]:
    """Workers, images and a store in a folder, for one cell after the other."""
    with Crew(lambda: "cpu") as crew, Archive(None) as archive:
        yield Site(crew, archive, Store(folder / "honest.db"), Memory())


def accusations(site: Site, defense: str, attack: str, source: str, samples: int) -> list[str]:
    """Why anybody is blamed for one evaluation, or why there is none."""
    protocol = replace(find_protocol("transfer-1024"), samples=samples, shard_size=64, source=source, epsilon=None)
    request = Request(defense, attack, protocol, attack_settings=SHORT.get(attack, {}))
    plan = make_plan(request)
    evaluation = evaluate_at(site, plan)
    if evaluation.failures:
        return [evaluation.failures[0].sentence]
    result = read(site.store, plan)
    return [*result.invalid, *(doubt.sentence for doubt in result.findings if doubt.blames != "evidence")]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Where all cells are run, so that images are crafted and defenses loaded once."""
    with set_up(tmp_path_factory.mktemp("honest")) as site:
        yield site


@pytest.mark.slow
@pytest.mark.parametrize(("defense", "attack"), PAIRS)
def test_no_defense_and_no_attack_is_accused_of_a_transfer(shared: Site, defense: str, attack: str) -> None:
    assert accusations(shared, defense, attack, "resnet", 128) == []


@pytest.mark.slow
@pytest.mark.parametrize("attack", [name for name in ATTACKS if name != "certify-l2"])
@pytest.mark.parametrize("defense", NETS)
def test_no_network_and_no_attack_is_accused_of_a_white_box(shared: Site, defense: str, attack: str) -> None:
    assert accusations(shared, defense, attack, "self", 128) == []


@pytest.mark.parametrize(
    ("defense", "attack"), [("resnet", "pgd-linf"), ("smoothing", "fgsm-linf"), ("jem", "noise-l2")]
)
def test_some_honest_pairs_are_accused_of_nothing(tmp_path: Path, defense: str, attack: str) -> None:
    with set_up(tmp_path) as site:
        assert accusations(site, defense, attack, "self", 64) == []
