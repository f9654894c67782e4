"""What some tests need beyond the extra `test`: their marks, and how it is installed, for whoever sees them skipped."""

from __future__ import annotations

import importlib.metadata
import shutil
from importlib.util import find_spec

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

INSTALL = {
    "Chromium": "apt-get install chromium",
    "PostgreSQL": "apt-get install postgresql",
    "pdflatex": "apt-get install texlive-latex-recommended",
    "psycopg": "pip install -e '.[postgres]'",
    "Ray": "pip install -e '.[ray]'",
    "foolbox": "pip install -e '.[foolbox]'",
    "timm": "pip install -e '.[timm]'",
    "torchvision": "pip install -e '.[timm]'",
    "torchattacks": "pip install --no-deps torchattacks==3.5.1",
    "adv-lib": "pip install --no-deps adv-lib==0.2.8",
    "robustbench": "pip install -e '.[timm]' torchdiffeq geotorch gdown && pip install --no-deps robustbench==1.1.1",
}
"""Where `.ci/run` takes each from. RobustBench's own pins would bring an old timm, torchattacks' an old requests, and
adv-lib a server for plots."""


def reason(*names: str) -> str:
    """Why a test is skipped that needs these."""
    return f"needs {' and '.join(names)}: {' && '.join(INSTALL[name] for name in names)}"


def _is_installed(name: str) -> bool:
    """Whether a distribution of this name is; torchattacks brings a module of RobustBench's name."""
    return any(importlib.metadata.distributions(name=name))


def _module(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(name.lower().replace("-", "_")) is None, reason=reason(name))


chromium = pytest.mark.skipif(CHROMIUM is None, reason=reason("Chromium"))
pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason=reason("pdflatex"))
ray = _module("Ray")
foolbox = _module("foolbox")
torchattacks = _module("torchattacks")
adv_lib = _module("adv-lib")
timm = pytest.mark.skipif(not (_is_installed("timm") and _is_installed("torchvision")), reason=reason("timm"))
ZOO = ("robustbench", "timm", "torchvision", "torchdiffeq", "geotorch", "gdown")
robustbench = pytest.mark.skipif(not all(map(_is_installed, ZOO)), reason=reason("robustbench"))
