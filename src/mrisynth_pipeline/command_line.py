"""``mrisynth``: the commands for those who use models rather than train them.

Not in ``cli.py``: a module of that name in a Kedro project replaces ``kedro``'s own commands and its ``run``.
"""

import importlib
import os
from typing import Any

import click

from mrisynth_pipeline import __version__
from mrisynth_pipeline.cohorts.errors import InputError

COMMANDS = {
    "impute": ("mrisynth_pipeline.imputing.command:impute", "Impute what a study lacks, and say how far to trust it."),
    "export": (
        "mrisynth_pipeline.exporting.commands:export",
        "Take a model out: package, zip, bundle, graph, registry.",
    ),
    "models": ("mrisynth_pipeline.exporting.commands:models", "List the models at hand."),
}
"""Command → where it is, and its line in the help."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called: the help and a typing error answer at once.

    An error of any of them ends as one line on stderr with exit code 1.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, of which none is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    """What went wrong; of what nobody foresaw also its kind, and how to see where."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return text
    return f"{type(error).__name__}: {text} (not foreseen; `mrisynth --debug …` shows where it came from)"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mrisynth")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Impute missing MRI contrasts with trained models. For research; not for diagnostic use."""
    # MLflow asks for these exact words, ONNX Runtime and Kedro for any; a user's own setting stays.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def main() -> None:
    """Entry point of the console script and of ``python -m mrisynth_pipeline``."""
    cli(prog_name="mrisynth")
