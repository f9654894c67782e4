"""One server a test process, off which whatever its tests start is forked with all of it imported."""

from __future__ import annotations

from importlib.util import find_spec

from bench.executors import worker

IMPORTED = (
    *("pytest", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql", "alembic.command", "psycopg"),
    *(
        "tests.plugins",
        "attacks.gradient",
        "defenses.parts.diffusion.latents",
        "defenses.parts.diffusion.pixels",
        "scipy.optimize",
        "torch.fx.experimental.symbolic_shapes",
        "torch._dynamo",
        "torch.utils.flop_counter",
    ),
)
"""What processes that open a store, and diffusers in a worker, import, and the plugins that most tests run; nothing
that reads the environment at import."""


def serve() -> None:
    """Start the server, if there is none yet."""
    worker.make_ready([name for name in IMPORTED if find_spec(name.partition(".")[0])])
