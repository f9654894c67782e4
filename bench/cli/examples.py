"""Two examples of every verb, which stand below its help; data, of which every entry has the same form."""

from __future__ import annotations

from rich.markup import escape

EXAMPLES: dict[str, tuple[str, str]] = {
    "evaluate": (
        "bench evaluate --defense tmdc --attack aa-linf",
        "bench evaluate --defense vit --attack pgd-linf --source self --epsilon 8/255 --samples 128",
    ),
    "verify": ("bench verify 5f2c9a", "bench verify 5f2c9a --shards 1 --json"),
    "sweep": (
        "bench sweep transfer-1024 --defense all --dry-run",
        "bench sweep white-box-1024 --defense resnet --defense pgd-at --attack pgd-linf --epsilon 0.02 --epsilon 0.05",
    ),
    "reproduce": (
        "bench reproduce tmdc --dataset digits --scale quick",
        "bench reproduce corruptions --dataset cifar10 --device cuda --dry-run",
    ),
    "status": ("bench status", "bench status --db postgresql://user@host/bench"),
    "diagnose": ("bench diagnose vit", "bench diagnose pgd-at --norm l2 --samples 64"),
    "train": (
        "bench train tmdc --dataset digits",
        "bench train trades -T images=500 -T images=4000 -o runs/more-data",
    ),
    "generate": (
        "bench generate diffusion-classifier --images 1000",
        "bench generate diffusion-classifier -n 100 --judge none -o runs/drawn",
    ),
    "check": ("bench check ./mine.py:Mine", "bench check pgd-linf -A steps=3"),
    "compare": ("bench compare resnet pgd-at", "bench compare tmdc vit -a aa-linf -o reports/compared.html"),
    "tag": ("bench tag 5f2c9a --tag paper", "bench tag 5f2c9a --note 'the final run' --remove draft"),
    "merge": ("bench merge theirs.db", "bench merge theirs.db others.db --claimed --db ours.db"),
    "prune": ("bench prune --dry-run", "bench prune --yes"),
    "remove": ("bench remove 5f2c9a", "bench remove 5f2c9a 81d0b3 --yes"),
    "upgrade": ("bench upgrade", "bench upgrade --db older.db"),
    "export": ("bench export results.parquet", "bench export - --what leaderboard --format latex"),
    "list": ("bench list attacks pgd-linf", "bench list plans --json"),
    "show": ("bench show 5f2c9a", "bench show 5f2c9a --json"),
    "report": ("bench report", "bench report --watch --output reports/live.html"),
}


def below(verb: str) -> str:
    """What stands below the help of a verb, as rich's markup: a paragraph is a line."""
    return "\n\n".join(["[dim]Examples[/]", *(f"  {escape(example)}" for example in EXAMPLES[verb])])
