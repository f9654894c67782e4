from __future__ import annotations

from dataclasses import replace

from bench.evaluation.evaluate import evaluate
from bench.evaluation.requests.planning import make_plan
from bench.evaluation.requests.request import Request
from bench.evaluation.verify import verify_plan
from bench.progress import EvaluationProgress
from bench.store.store import Store
from tests.store.honest import edit


def test_what_an_older_bench_did_not_record_is_not_compared(request_of_halves: Request, store: Store) -> None:
    plan = make_plan(replace(request_of_halves, source="self"))
    with EvaluationProgress(None, quiet=True) as progress:  # type: ignore[arg-type]
        evaluate(plan, store, progress, lambda: "cpu", workers=1)
        known = store.outcomes(plan)
        assert {outcome.broken_at is None for outcome in known} == {False}
        assert verify_plan(plan, store, progress, lambda: "cpu", workers=1, shards=1).different == []
        _forget(store, "broken_at = NULL")
        assert verify_plan(plan, store, progress, lambda: "cpu", workers=1, shards=1).different == []
        _forget(store, "distance = distance + 1")
        assert len(verify_plan(plan, store, progress, lambda: "cpu", workers=1, shards=1).different) == 16


def _forget(store: Store, change: str) -> None:
    edit(store, f"UPDATE outcomes SET {change}")
