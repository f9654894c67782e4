"""How results look in a terminal, and as JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bench.cli.console import escape, failed, is_debugging, stderr, stdout, warn
from bench.cli.shown.figures import colour, figures, seen
from bench.domain.text import visible
from bench.domain.threat import format_epsilon

if TYPE_CHECKING:
    from bench.analysis.results.seeds import Spread
    from bench.analysis.results.summary import Result
    from bench.domain.plan import Plan
    from bench.evaluation.remaking import Remade
    from bench.evaluation.running.run import Evaluation


def evaluation_document(result: Result, evaluation: Evaluation) -> dict[str, Any]:
    """The object that `evaluate --json` prints; `seconds` are those of this call."""
    threat = result.plan.threat
    return {
        **result.document(),
        "threat": {"norm": threat.norm, "epsilon": threat.radius, "exact": str(threat.epsilon)},
        **work_document(evaluation),
    }


def work_document(evaluation: Evaluation) -> dict[str, Any]:
    """What one call did, as JSON data."""
    return {
        "shards": len(evaluation.plan.shards()),
        "computed": evaluation.computed,
        "crafted": evaluation.crafted,
        "failures": [{"shard": failure.shard, "error": failure.sentence} for failure in evaluation.failures],
        "seconds": round(evaluation.seconds, 3),
    }


def show_result(result: Result, evaluation: Evaluation, location: str) -> None:
    """The closing panel: the number, its interval, its assurance, and where to look next."""
    plan = result.plan
    lines = figures(result)
    if not result.complete:
        lines.append(Text(f"incomplete: {result.n} of {plan.samples} samples; run the command again", style="red"))
    lines.append(Text(_work_done(evaluation), style="dim"))
    database = [] if location == "results.db" else ["--db", location]
    lines.append(
        Text.assemble(
            ("next: ", "dim"),
            shlex.join(["bench", "report", *database]),
            ("   or   ", "dim"),
            shlex.join(["bench", "show", plan.digest[:12], *database]),
        )
    )
    title = (
        f"[bold]{escape(plan.defense.name)}[/] under [bold]{escape(plan.attack.name)}[/] on {escape(plan.dataset.name)}"
    )
    edge = colour(result.assurance)
    stdout.print(Panel(Group(*lines), title=title, title_align="left", border_style=edge, expand=False))


def show_figures(result: Result) -> None:
    """What a plan found and cost, without the call that found it."""
    cost = (
        f"{result.forwards:.0f} forward and {result.backwards:.0f} backward passes a sample, {result.seconds:.1f} s in "
        f"all, peak memory {result.peak_memory / 2**20:.0f} MiB"
    )
    machines = [Text(describe(facts.get("device", "?"), facts), style="dim") for facts in result.environments]
    written = [Text(visible(f"tags: {', '.join(result.labels.tags)}"), style="cyan")] if result.labels.tags else []
    written += [Text(visible(note), style="italic") for note in result.labels.notes]
    lines = [*figures(result), Text(cost, style="dim"), *seen(result), *machines, *written]
    stdout.print(Panel(Group(*lines), border_style=colour(result.assurance), expand=stdout.is_terminal))


def show_seeds(found: Spread) -> None:
    """Mean and worst over seeds."""
    low, high = found.interval.low, found.interval.high
    each = ", ".join(f"{seed}: {rate:.2%}" for seed, rate in zip(found.seeds, found.rates, strict=True))
    lines = (
        f"[dim]mean    [/] [bold]{found.mean:.2%}[/]   95 % interval over samples "
        f"\\[{100 * low:.2f}, {100 * high:.2f}]",
        f"[dim]worst   [/] {found.worst.rate:.2%} of the samples survive every seed",
        f"[dim]by seed [/] {each}",
    )
    stdout.print(Panel("\n".join(lines), title=f"{len(found.seeds)} seeds", title_align="left", expand=False))


def show_troubles(done: Evaluation | Remade) -> None:
    """Every distinct failure once, with the shards that it hit, and a traceback under BENCH_DEBUG; then how what was
    computed differs from what is stored."""
    sentences: dict[str, list[int]] = {}
    for failure in done.failures:
        sentences.setdefault(failure.sentence, []).append(failure.shard)
    for sentence, shards in sentences.items():
        where = ", ".join(map(str, sorted(shards)))
        failed(f"shard {where}: {sentence}")
    if done.failures and is_debugging():
        stderr.print(escape(done.failures[0].details), highlight=False)
    for conflict in done.conflicts:
        warn(f"[red bold]Different[/] {escape(conflict.sentence)}")


def show_plan(plan: Plan) -> None:
    """A plan as a table of what it fixes."""
    table = Table(
        title=f"Plan {plan.digest[:12]}", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0)
    )
    for name, value in plan_facts(plan).items():
        table.add_row(f"[dim]{name}[/]", escape(value))
    stdout.print(table)


def plan_facts(plan: Plan) -> dict[str, str]:
    """What a plan fixes, as short texts under short names."""
    return {
        "defense": describe(plan.defense.name, plan.defense.params),
        "attack": describe(plan.attack.name, plan.attack.params),
        "source": _source(plan),
        "data set": plan.dataset.name,
        "samples": f"{plan.samples} of {plan.size} ({plan.sampling}, seed {plan.sample_seed})",
        "threat model": _threat(plan),
        "shards": f"{len(plan.shards())} of {plan.shard_size} samples",
        "seed": str(plan.seed),
        "draws": f"{plan.draws}, whose noise the attack knows" if plan.fixed_noise else str(plan.draws),
        **({} if plan.passes is None else {"passes": f"at most {plan.passes} a sample"}),
        "weights": ", ".join(f"{role} {digest[:12]}" for role, digest in plan.defense.weights.items()) or "none",
    }


def describe(name: str, params: Any) -> str:
    """A plugin with its settings, as one would type them."""
    settings = ", ".join(f"{key}={value}" for key, value in params.items() if value is not None)
    return f"{name} ({settings})" if settings else name


def _threat(plan: Plan) -> str:
    return (
        str(plan.threat) if plan.is_untouched else f"{plan.threat.norm}, epsilon {format_epsilon(plan.threat.epsilon)}"
    )


def _source(plan: Plan) -> str:
    if plan.is_untouched:
        return "none: the images as they are"
    return "itself (white box)" if plan.source is None else describe(plan.source.name, plan.source.params)


def _work_done(evaluation: Evaluation) -> str:
    total = len(evaluation.plan.shards())
    if not evaluation.computed and not evaluation.crafted:
        return f"all {total} shards were stored already; nothing was computed ({evaluation.seconds:.1f} s)"
    crafted = f", images of {evaluation.crafted} shards crafted" if evaluation.crafted else ""
    return f"{evaluation.computed} of {total} shards computed{crafted} in {evaluation.seconds:.1f} s"
