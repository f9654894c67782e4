"""`bench.report`: the leaderboards as a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.api.opening import warn_skipped
from bench.api.work import DATABASE
from bench.pages.page import render
from bench.pages.whole_files import refuse_stdout
from bench.plugins.registry import defenses
from bench.protocols import known_with, read
from bench.store.store import Store

PAGE = Path("reports/index.html")


def report(
    output: str | Path = PAGE,
    *,
    protocols: Sequence[str | Path] = (),
    published: Sequence[str] = (),
    pictures: bool = True,
    refresh: int | None = None,
    data_dir: str | Path | None = None,
    tags: Sequence[str] = (),
    db: str | Path = DATABASE,
    artifacts: str | Path | None = None,
) -> Path:
    """Render the leaderboards of a store as one self-contained page, and return its path.

    `protocols` are .toml files beside the built-in ones, `published` defenses whose models' published figures stand
    below; with `refresh` the page loads itself anew after so many seconds. With `tags` only plans that carry all of
    them are shown.
    """
    store = Store(db, create=False, artifacts=artifacts)
    folder = None if data_dir is None else Path(data_dir)
    page = drawing(store, Path(output), protocols, published, pictures, folder, tags)(refresh)
    warn_skipped(store)
    return page


def drawing(
    store: Store,
    output: Path,
    protocols: Sequence[str | Path] = (),
    published: Sequence[str] = (),
    pictures: bool = True,
    data_dir: Path | None = None,
    tags: Sequence[str] = (),
) -> Callable[[int | None], Path]:
    """What draws the page, as often as it is called with the seconds after which it is to load itself anew."""
    refuse_stdout(output, "The page", "name another file with --output")
    known = known_with(map(read, map(Path, protocols)))
    models = [model for name in published for model in defenses.find(name).models()]
    return lambda refresh: render(
        *(store, output),
        protocols=known,
        published=models,
        pictures=pictures,
        data_dir=data_dir,
        refresh=refresh,
        tags=(tags,) if isinstance(tags, str) else tags,
    )
