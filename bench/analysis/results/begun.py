"""Results of plans that may have only begun: the figures of what there is, and what several seeds found together."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.results.seeds import Spread, spread
from bench.analysis.results.summary import Result, read
from bench.domain.plan import Plan
from bench.store.store import Store


def read_begun(store: Store, plan: Plan) -> Result | None:
    """The figures of what is stored of a plan; None where no shard of it is finished."""
    return read(store, plan) if store.shards(plan) else None


def spread_of(results: Sequence[Result | None], store: Store) -> Spread | None:
    """What several seeds of one evaluation found together; None unless every result is complete and valid."""
    found = [each for each in results if each is not None and each.complete and not each.invalid]
    if len(found) < len(results):
        return None
    return spread([(each.plan, store.table(each.plan)) for each in found])
