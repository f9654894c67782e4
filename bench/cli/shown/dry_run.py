"""`--dry-run`: what is left to do and what it would take; nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

from bench.cli import FAILED
from bench.cli.console import print_json, stderr, stdout
from bench.cli.shown import panels, prices, training_prices
from bench.cli.shown.prices import Priced

if TYPE_CHECKING:
    from bench.cli.options import Running, Told
    from bench.domain.errors import BenchError
    from bench.domain.plan import Plan
    from bench.evaluation.estimates.forecast import Outlay
    from bench.evaluation.requests.request import Request
    from bench.protocols.studies import Study, StudyTraining
    from bench.store.store import Store
    from bench.studies.forecast import TrainingForecast


@dataclass(frozen=True)
class DryRun:
    """What the call would work with, and how it is told."""

    running: Running
    told: Told

    def of_plans(self, plans: Sequence[Plan], images: bool) -> None:
        """Say what some plans of one defense and attack would take, each on its own and all of them; with `images`
        which of these would be crafted again. Exits 1 where one cannot be tried."""
        store, several = self._store(), len(plans) > 1
        documents = [_work(plan, store, images, self.told.as_json) for plan in plans]
        names = [f"{plan.attack.name} seed={plan.seed}" if several else plan.attack.name for plan in plans]
        cells = [(plan.defense.name, name, plan) for plan, name in zip(plans, names, strict=True)]
        priced, outlay = self._priced(cells, store)
        if self.told.as_json:
            estimates = [row.document(outlay.workers) for row in priced]
            documents = [{**each, "estimate": found} for each, found in zip(documents, estimates, strict=True)]
            whole = {"total": prices.total(priced, outlay)}
            print_json({"runs": documents, **whole} if several else {**documents[0], **whole})
        else:
            prices.show(priced, outlay)
        _leave(priced)

    def of_cells(self, cells: Sequence[tuple[str, str, Request]]) -> None:
        """Say what the cells of a sweep would take, each and all of them. Exits 1 where one cannot be planned or
        tried."""
        priced, outlay = self._planned(cells)
        if self.told.as_json:
            documents = [row.document(outlay.workers) for row in priced]
            print_json({"cells": documents, "total": prices.total(priced, outlay)})
        else:
            prices.show(priced, outlay)
        _leave(priced)

    def of_study(self, study: Study, runs: Path) -> None:
        """Say what a study's trainings whose weights are not in the folder `runs`, and its cells, would take. Exits 1
        where one cannot be planned or tried."""
        from bench.studies.cells import requests
        from bench.studies.trainings import finished, place

        there = {each.name: finished(place(each, study, runs)) for each in study.trainings}
        weights = {name: path for name, path in there.items() if path is not None}
        missing = [each for each in study.trainings if each.name not in weights]
        with TemporaryDirectory(prefix="bench-") as folder:
            trainings = self._trainings(study, missing, Path(folder), weights)
            begun = {each.name: each.tried.weights for each in trainings if each.tried is not None}
            weights |= {name: path for name, path in begun.items() if path is not None}
            priced, outlay = self._planned(requests(study, weights, self.running.data_dir))
        if self.told.as_json:
            documents = [row.document(outlay.workers) for row in priced]
            whole = prices.total(priced, outlay, trainings)
            whole["training_seconds"] = sum(each.seconds for each in trainings)
            print_json({"trainings": training_prices.documents(trainings), "cells": documents, "total": whole})
        else:
            training_prices.show(trainings)
            prices.show(priced, outlay, trainings)
        if any(each.problem is not None for each in trainings):
            raise typer.Exit(FAILED)
        _leave(priced)

    def _trainings(
        self, study: Study, missing: Sequence[StudyTraining], folder: Path, weights: Mapping[str, Path]
    ) -> list[TrainingForecast]:
        from bench.studies.forecast import forecast_trainings

        if not missing:
            return []
        with stderr.status("") as status:
            if self.told.silent:
                status.stop()
            where = (self.running.device, self.running.data_dir, self.running.executor)
            return forecast_trainings(study, missing, self._store(), folder, weights, status.update, *where)

    def _store(self) -> Store:
        from bench.store.glance import glance

        return glance(self.running.db, self.running.artifacts)

    def _planned(self, cells: Sequence[tuple[str, str, Request]]) -> tuple[list[Priced], Outlay]:
        """The rows of cells that are yet to be planned."""
        from bench.evaluation.requests.clerk import plans_of

        store, plans = self._store(), plans_of([request for _, _, request in cells], self.running.device)
        named = [(row, column, plan) for (row, column, _), plan in zip(cells, plans, strict=True)]
        return self._priced(named, store)

    def _priced(self, cells: Sequence[tuple[str, str, Plan | BenchError]], store: Store) -> tuple[list[Priced], Outlay]:
        """The rows under their names, and all of them; a line on stderr says what is being tried."""
        from bench.domain.plan import Plan
        from bench.evaluation.estimates.forecast import forecast

        plans = [plan for _, _, plan in cells if isinstance(plan, Plan)]
        with stderr.status("looking at what is left") as status:
            if self.told.silent:
                status.stop()
            call = self.running
            where = (call.device, call.data_dir, call.workers, call.executor, call.replay)
            outlay = forecast(plans, store, status.update, *where)
        found, priced = iter(outlay.rows), []
        for defense, attack, plan in cells:
            each = next(found) if isinstance(plan, Plan) else None
            priced.append(Priced(defense, attack, each, str(plan) if each is None else each.problem))
        return priced, outlay


def _work(plan: Plan, store: Store, images: bool, as_json: bool) -> dict[str, Any]:
    """What is left to do for a plan; printed unless it will be printed as JSON."""
    from bench.evaluation.remaking import lacking
    from bench.evaluation.running.work import remaining

    work = remaining(plan, store)
    counts: dict[str, Any] = {
        "shards": len(plan.shards()),
        "to_compute": len(work.ready) + len(work.to_craft),
        "to_craft": len(work.to_craft),
        **({"to_craft_again": sum(len(gone.shards) for gone in lacking([plan], store))} if images else {}),
    }
    if not as_json:
        panels.show_plan(plan)
        again = f", those of {counts['to_craft_again']} finished ones again" if images else ""
        stdout.print(
            f"{counts['to_compute']} of {counts['shards']} shards are to be computed; images of {counts['to_craft']} "
            f"are to be crafted first{again}."
        )
    return {"plan": plan.digest, **counts, "document": plan.document()}


def _leave(priced: Sequence[Priced]) -> None:
    if any(row.problem is not None for row in priced):
        raise typer.Exit(FAILED)
