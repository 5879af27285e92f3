"""``mrisynth impute``: one command for a lab's own scans."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES

_COLOURS = {"green": "green", "amber": "yellow", "red": "red"}


def _explicit(function: Any) -> Any:
    """One option per contrast: ``--t1 FILE``."""
    for name in reversed([name for name in DISPLAY_NAMES if name != "us"]):
        text = f"The {DISPLAY_NAMES[name]} scan, where no folder is given."
        function = click.option(f"--{name}", type=click.Path(path_type=Path), metavar="FILE", help=text)(function)
    return function


@click.command("impute", short_help="Impute what a study lacks, and say how far to trust it.")
@click.argument("input", required=False, type=click.Path(path_type=Path))
@_explicit
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Folder of the results (BIDS derivatives).")
@click.option(
    "--model",
    "-m",
    default="codebrain",
    show_default=True,
    help="A trained method, a folder, a zip, or models:/NAME/VERSION.",
)
@click.option(
    "--to",
    help="Contrasts to impute, such as T2w,FLAIR; one that is there is hidden from the model and compared with. "
    "[default: those missing]",
)
@click.option("--like", help="The input whose voxels the results lie on. [default: the reference]")
@click.option("--names", help="What file names mean: '*mprage*=t1,*dark*=flair', or a YAML or JSON file of such.")
@click.option("--subject", default="", help="Name of the subject, where files are given one by one.")
@click.option(
    "--registered/--not-registered",
    default=None,
    help="Whether scans share one grid without skull. [default: the scans tell]",
)
@click.option(
    "--planes",
    type=click.Choice(["auto", "axial", "three"]),
    default="auto",
    show_default=True,
    help="Planes that a 2D model is asked in.",
)
@click.option("--doubt/--no-doubt", default=True, show_default=True, help="Estimate the expected error of every voxel.")
@click.option("--pages/--no-pages", default=True, show_default=True, help="Write a page to look at for every subject.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path("data"),
    show_default=True,
    help="Where this project's models are.",
)
@click.option("--overwrite", is_flag=True, help="Impute again what has been done.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def impute(input: Path | None, dry_run: bool, subject: str, registered: bool | None, **options: Any) -> None:
    r"""Impute the contrasts that INPUT lacks, in the space of its own scans, with the error to expect.

    INPUT is a BIDS dataset, a folder of NIfTI files whose names tell their contrast, one folder per subject, or one
    file. Without it, files are named one by one: --t1 a.nii.gz --flair b.nii.gz.

    \b
    mrisynth impute my_study -o imputed
    mrisynth impute --t1 t1.nii.gz --flair flair.nii.gz --subject P01 -o imputed --to T2w
    mrisynth impute my_study -o imputed --model models:/brain/1 --dry-run

    Results are not for diagnostic use.
    """
    from mrisynth_pipeline.imputing.orders import carry_out, understand

    files = {name: path for name in DISPLAY_NAMES if (path := options.pop(name, None))}
    if (input is None) == (not files):
        raise click.UsageError("Name a folder of scans, or the scans one by one (--t1 FILE ...); one of the two")
    if options["output"] is None and not dry_run:
        raise click.UsageError("Say where the results go: --output FOLDER")
    registered_as: bool | str = "auto" if registered is None else registered
    subjects, order = understand({"input": input, "registered": registered_as, **options}, files, subject)
    if dry_run:
        from mrisynth_pipeline.imputing.run import plan_all

        _show(plan_all(subjects, order))
        return
    outcomes = carry_out(subjects, order, _announce)
    _show(outcomes)
    click.echo(f"\nResults: {order.output}" + (f"  (look at {order.output / 'index.html'})" if order.pages else ""))
    click.echo("Not for diagnostic use.")
    if failed := sum(outcome.status == "failed" for outcome in outcomes):
        click.echo(f"{failed} of {len(outcomes)} subjects failed: the reasons are above.", err=True)
        sys.exit(1)


def _announce(number: int, of: int, subject: Any) -> None:
    contrasts = ", ".join(DISPLAY_NAMES.get(name, name) for name in subject.scans)
    click.echo(f"[{number}/{of}] {subject.subject}: {contrasts} ...")


def _show(outcomes: Sequence[Any]) -> None:
    """One line per subject, then how many of each kind."""
    for outcome in outcomes:
        made = ", ".join(DISPLAY_NAMES[name] for name in outcome.imputed)
        given = ", ".join(DISPLAY_NAMES[name] for name in outcome.inputs)
        light = click.style(outcome.light.upper(), fg=_COLOURS.get(outcome.light), bold=True) if outcome.light else ""
        what = f"{made} from {given}" if made and outcome.status != "failed" else ""
        parts = [outcome.status, light, outcome.reason or what]
        click.echo(f"{outcome.subject}: " + "  ".join(part for part in parts if part))
    counts = Counter(outcome.status for outcome in outcomes)
    click.echo(", ".join(f"{number} {status}" for status, number in counts.items()))
