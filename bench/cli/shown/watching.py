"""`bench report --watch`: the page drawn anew as shards land."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from bench.cli.console import counted, stderr

if TYPE_CHECKING:
    from bench.store.store import Store

POLL_SECONDS = 1.0
REFRESH_SECONDS = 5
"""How often a browser reads a watched page again."""


def watch(store: Store, draw: Callable[[int | None], object], until_idle: float | None, quiet: bool = False) -> None:
    """Draw the page whenever shards have landed, until Ctrl-C, or until none has for `until_idle` seconds.

    `draw` is given after how many seconds a browser should read the page again: None when it is drawn for the last
    time.
    """
    with stderr.status("drawing the page") as status:
        if quiet:
            status.stop()
        show = status.update if stderr.is_terminal else stderr.print
        with suppress(KeyboardInterrupt):
            seen, since = None, time.monotonic()
            while until_idle is None or time.monotonic() - since < until_idle:
                found, pause = store.stamp(), POLL_SECONDS
                if found != seen:
                    began = time.monotonic()
                    draw(REFRESH_SECONDS)
                    seen, since = found, time.monotonic()
                    pause = max(pause, since - began)  # a page that takes long to draw leaves time for the evaluation
                    if not quiet:
                        held = f"{counted(found.plans, 'plan')}, {counted(found.shards, 'shard')}"
                        show(f"{held}; page drawn at {time.strftime('%H:%M:%S')} in {since - began:.1f} s; Ctrl-C ends")
                time.sleep(pause if until_idle is None else min(pause, until_idle))
        draw(None)
