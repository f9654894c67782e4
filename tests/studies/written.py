"""A small study, written to a file."""

from __future__ import annotations

from pathlib import Path

TEXT = """
name = "mine"
version = "1"
title = "A paper of mine"
description = "Hyperplanes in noise."
protocol = "transfer-1024"
datasets = ["tests.plugins:Halves", "digits"]
scales = { quick = { samples = 16 } }

[[train]]
name = "better"
defense = "resnet"
recipe = { epochs = 2 }
adversarial = { attack = "pgd-linf", epsilon = "0.05", source = "resnet" }
on."tests.plugins:Halves" = { skip = true }

[[row]]
name = "plain"
defense = "tests.plugins:Hyperplane"
on.digits = { defense = "resnet", weights = "better" }

[[row]]
name = "scaled"
defense = "tests.plugins:Hyperplane"
params = { scale = 4.0 }
on.digits = { skip = true }

[[column]]
name = "FGSM"
attack = "fgsm-linf"
source = "self"
epsilon = "0.1"

[[column]]
name = "PGD"
attack = "pgd-linf"
params = { steps = 4 }
source = "self"
epsilon = "0.3"
on.quick = { params = { steps = 2 } }

[[table]]
title = "Table 1"
rows = ["plain", "scaled"]
columns = ["clean", "FGSM", "PGD"]

[[published]]
row = "plain"
place = "Table 1"
percent = { clean = 100, PGD = 12.5 }

[[claim]]
text = "Attacks hurt."
cell = ["plain", "PGD"]
relation = "below"
other = 90

[[claim]]
text = "Scaling helps."
cell = ["scaled", "PGD"]
relation = "above"
other = ["plain", "PGD"]

[[claim]]
text = "Scaling costs nothing."
cell = ["scaled", "clean"]
relation = "equal"
margin = 1.0
other = ["plain", "clean"]
"""


def written(folder: Path, text: str = TEXT) -> Path:
    """The file of a study."""
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path
