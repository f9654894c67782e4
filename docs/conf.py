"""How the pages are built: `sphinx-build -W docs OUT`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from imports import draw  # noqa: E402 it lies beside this file

import bench  # noqa: E402 Sphinx runs this file before anything else

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "bench"
version = release = bench.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "index"
default_role = "code"  # docstrings put names in single backticks
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"

html_theme = "furo"
html_title = f"bench {version}"
html_copy_source = False
html_show_copyright = html_show_sphinx = False


class Rooms(SphinxDirective):
    """The picture of who imports whom, drawn anew whenever pages are built."""

    def run(self) -> list[nodes.Node]:
        """The picture itself, so that it takes the page's colours."""
        self.env.note_reread()
        return [nodes.raw("", f'<figure class="rooms">{draw(ROOT)}</figure>', format="html")]


def setup(app: Sphinx) -> None:
    """Make the picture known to pages, as `{rooms}`."""
    app.add_directive("rooms", Rooms)
