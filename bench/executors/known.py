"""What every process asks of this machine first, asked once in the server that they are forked off."""

from __future__ import annotations

import contextlib
import gc
import sys
from pathlib import Path

from bench.loading.environment import versions
from bench.plugins.finding import entries
from bench.plugins.releases import INSTALLED, owners

with contextlib.suppress(Exception):  # whoever asks next meets it too, and can say so
    entries("bench.defenses")
    versions()
    for folder in map(Path, dict.fromkeys(sys.path)):
        if folder.name in INSTALLED:
            owners(folder)
gc.freeze()  # what all of them hold is gone through by none, and so stays shared
