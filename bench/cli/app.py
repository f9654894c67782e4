"""The `bench` command: its verbs, and how deliberate errors reach a person."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import typer
from typer.core import TyperGroup

from bench.cli.advice import tell, unknown_variables
from bench.cli.completing import as_bash_splits
from bench.cli.console import stdout, tolerant
from bench.cli.ending import Interrupted, ended
from bench.cli.examples import below
from bench.cli.verbs import flattened
from bench.domain.errors import UsageError

PAIR = {"--defense", "--attack"}


class Verbs(TyperGroup):
    """A group of commands in which every call ends in an exit code and, where it fails, in one sentence."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the words and exit. Set BENCH_DEBUG=1 to see tracebacks."""
        words = sys.argv[1:] if args is None else list(args)
        run = partial(super().main, words, "bench", complete_var, False, windows_expand_args, **extra)
        sys.exit(ended(run, words))

    def invoke(self, ctx: Any) -> Any:
        """Run a verb."""
        try:
            tell(unknown_variables(self._variables()))
            self._once(ctx)
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted(
                "Interrupted. What was finished is stored; the same command goes on from there."
            ) from None
        except BrokenPipeError as error:
            raise RuntimeError(f"a pipe to another process is broken ({error})") from error  # typer would say nothing

    def _variables(self) -> set[str]:
        """The environment variables of all options."""
        options = [each for command in self.commands.values() for each in command.params]
        return {str(each.envvar) for each in options if each.envvar}

    def _once(self, ctx: Any) -> None:
        """Raise a `UsageError` where a verb that measures one pair is given several: the last would count, and nobody
        would know. Of other options the last counts, as everywhere."""
        verb, *words = [str(word) for word in (*ctx._protected_args, *ctx.args)]
        command: Any = self.get_command(ctx, verb)
        single = {name for each in getattr(command, "params", ()) if not each.multiple for name in each.opts}
        for name in PAIR & single:
            given = sum(word == name or word.startswith(f"{name}=") for word in words)
            if given > 1:
                raise UsageError(
                    f"{name} is given {given} times, and {verb} measures one; `bench sweep` takes several."
                )


app = typer.Typer(
    cls=Verbs,
    help="Settle robustness claims: evaluate image classifiers under adversarial attack, sample by sample.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from bench import __version__

        stdout.print(f"bench {__version__}", highlight=False)
        raise typer.Exit()


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", "-V", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Settle robustness claims: evaluate image classifiers under adversarial attack, sample by sample."""


def build() -> typer.Typer:
    """The application with all its verbs, in the order of the help."""
    from bench.cli.running import check, diagnose, evaluate, generate, reproduce, sweep, train, verify
    from bench.cli.stored import compare, export, listing, merge, prune, reading, remove, status, tag, upgrade

    if not app.registered_commands:
        for verb in (
            *(evaluate.evaluate, verify.verify, sweep.sweep, reproduce.reproduce, status.status, diagnose.diagnose),
            *(train.train, generate.generate, check.check, compare.compare, tag.tag, merge.merge, prune.prune),
            *(remove.remove, upgrade.upgrade, export.export, listing.list_, reading.show, reading.report),
        ):
            name = verb.__name__.strip("_")
            app.command(name, epilog=below(name))(flattened(verb))
    return app


def main() -> None:
    """The console script."""
    tolerant()
    with as_bash_splits():
        build()()
