"""The images that a page shows are known without drawing it."""

from __future__ import annotations

from pathlib import Path

from bench.domain.plan import Spec
from bench.pages.page import render
from bench.pages.shown import shown
from bench.store.store import Store
from tests.store.honest import fill, honest_plan


def test_what_is_shown_is_what_the_page_reads(store: Store, tmp_path: Path) -> None:
    for defense in ("resnet", "vit", "tmdc"):
        for attack, epsilon in (("pgd-linf", 0.05), ("fgsm-linf", 0.02), ("aa-linf", 0.04)):
            plan = honest_plan(attack, defense=Spec(defense, {}, "1", {}), samples=32)
            fill(store, plan, epsilon=epsilon)
    named = {record.perturbed_sha256 for plan in store.plans() for record in store.shards(plan)}
    needed = shown(store)
    assert 0 < len(needed) < len(named)
    whole = render(store, tmp_path / "whole.html").read_text("utf-8")
    for sha256 in named - needed:
        store.artifacts.delete(sha256)
    assert render(store, tmp_path / "pruned.html").read_text("utf-8") == whole
    assert store.artifacts.missed == set()
    for sha256 in needed:
        store.artifacts.delete(sha256)
    assert "crafted images are missing" in render(store, tmp_path / "bare.html").read_text("utf-8")
    assert store.artifacts.missed <= needed
