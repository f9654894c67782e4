"""Stores made up for the tests of the pictures, and what their drawings hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

from bench.analysis.boards.leaderboards import Leaderboard, leaderboards
from bench.domain.outcome import Outcome, ShardResult
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.pages.figures.album import Album, album_maker
from bench.pages.figures.drawing import Drawing
from bench.store.store import Store
from tests.analysis.made import small_plan

LABELS = (0, 1, 2, 3, 0, 1, 2, 3)


def fill(
    store: Store,
    plan: Plan,
    wrong: Sequence[int] = (),
    *,
    labels: Sequence[int] = LABELS,
    measures: Callable[[int], Mapping[str, float | None]] = lambda at: {},
    images: str = "c0" * 32,
) -> Plan:
    """Finish a plan whose samples at the places `wrong` are taken for the next class."""
    places = {sample: at for at, sample in enumerate(plan.indices)}
    for shard in plan.shards():
        outcomes = []
        for sample in shard.indices:
            at = places[sample]
            seen = (labels[at] + (at in wrong)) % 4
            outcomes.append(Outcome(sample, labels[at], (labels[at],), (seen,), 0.05, **measures(at)))  # type: ignore[arg-type]
        store.add(plan, ShardResult(shard.index, tuple(outcomes), 0, 0, 1.0, 1, images, environment={"device": "test"}))
    return plan


def white(defense: str, attack: str = "pgd-linf", **changes: Any) -> Plan:
    """A white-box plan of eight samples, all sources alike."""
    return small_plan(defense, attack, source=None, **changes)


def at_budget(epsilon: str, norm: str = "linf") -> ThreatModel:
    return ThreatModel(norm, Fraction(epsilon))


def enrich(store: Store) -> Store:
    """Three defenses with something for every picture: budgets, seeds, a step, minimal distances, radii, iterations."""
    for rank, defense in enumerate(("tmdc", "vit", "resnet")):
        for budget, lost in (("0.05", 1), ("0.1", 3)):
            known = {at: {"broken_at": 1 + at if at <= rank + lost else -1} for at in range(8)}
            fill(*(store, white(defense, threat=at_budget(budget)), range(rank + lost)), measures=known.__getitem__)
        for seed in (0, 1, 2):
            fill(store, white(defense, "fgsm-linf", seed=seed), range(rank + seed))
        fill(
            *(store, white(defense, "cw-l2", threat=at_budget("0.5", "l2")), range(rank)),
            measures=lambda at: {"minimal": 0.2 * at if at < 6 else float("inf")},
        )
    for step in (100, 200, 500):
        fill(
            store,
            replace(white("tmdc", sample_seed=1), defense=Spec("tmdc", {"step": step}, "1", {"lora": f"{step:064d}"})),
            range(step // 100),
        )
    fill(
        *(store, white("smoothing", "certify-l2", sample_seed=2, knowledge="certified", threat=at_budget("0.5", "l2"))),
        measures=lambda at: {"radius": 0.25 * at},
    )
    return store


def board_with(store: Store, attack: str) -> Leaderboard:
    """The leaderboard on which an attack stands."""
    return next(b for b in leaderboards(store) if any(column.attack.name == attack for column in b.columns))


def albums(store: Store) -> list[Album]:
    make = album_maker(store)
    return [make(board, f"board{number}-") for number, board in enumerate(leaderboards(store))]


def panels(store: Store) -> list[str]:
    return [panel for album in albums(store) for drawing in album.drawings for panel in drawing.panels]


def words(drawing: Drawing | None, panel: int = 0) -> str:
    """What a panel tells those who listen."""
    assert drawing is not None
    svg = ElementTree.fromstring(drawing.panels[panel])
    return " ".join(part.text or "" for part in svg if part.tag in ("title", "desc"))
