"""``mrisynth export`` and ``mrisynth models``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mrisynth_pipeline.exporting.shelf import Shelved

# What takes seconds to import (torch, MLflow) is imported where it is needed.

FORMATS = ("package", "zip", "bundle", "torch", "onnx")

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path("data"),
    show_default=True,
    help="Project's data folder.",
)
tracking_option = click.option(
    "--tracking-uri", help="MLflow store of the registry [default: MLFLOW_TRACKING_URI, or mlflow.db beside the data]."
)


@click.command()
@click.argument("model")
@click.argument("out", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--format", "formats", type=click.Choice(FORMATS), multiple=True, help="May be given several times.")
@click.option("--name", help="Of what is written [default: method-cohort].")
@click.option("--register", metavar="NAME", help="Register the model in MLflow under this name.")
@click.option("--overwrite", is_flag=True, help="Replace what is in OUT already.")
@tracking_option
@data_dir_option
def export(
    model: str,
    out: Path | None,
    formats: tuple[str, ...],
    name: str | None,
    register: str | None,
    overwrite: bool,
    tracking_uri: str | None,
    data_dir: Path,
) -> None:
    """Write MODEL into the folder OUT in one or several formats, or register it in MLflow.

    MODEL is a method of this project (codebrain), a model folder, a .zip of one, or models:/NAME/VERSION.
    """
    if formats and out is None:
        raise click.UsageError("--format needs a folder OUT to write to")
    if not formats and register is None:
        if out is None:
            raise click.UsageError("nothing to do: name a folder OUT, or --register NAME")
        formats = ("package",)

    from mrisynth_pipeline.exporting.card_text import title_of
    from mrisynth_pipeline.exporting.reading import load_imputer
    from mrisynth_pipeline.exporting.shelf import resolve_model

    folder = resolve_model(model, data_dir, tracking_uri)
    title = name or title_of(load_imputer(folder).card)
    for kind in dict.fromkeys(formats):
        click.echo(_write(kind, folder, out, title, overwrite))
    if register is not None:
        from mrisynth_pipeline.exporting.registry import register as register_model
        from mrisynth_pipeline.exporting.registry import store_of

        click.echo(register_model(folder, register, tracking_uri or store_of(data_dir)))


def _write(kind: str, folder: Path, out: Path, title: str, overwrite: bool) -> str:
    """Write one format; what to tell the user."""
    if kind == "package":
        from mrisynth_pipeline.exporting.package import write_package

        return str(write_package(folder, out / title, overwrite))
    if kind == "zip":
        from mrisynth_pipeline.exporting.package import write_zip

        return str(write_zip(folder, out / f"{title}.zip", overwrite))
    if kind == "bundle":
        from mrisynth_pipeline.exporting.bundle import write_bundle

        return str(write_bundle(folder, out / f"{title}-bundle", overwrite))
    from mrisynth_pipeline.exporting.graph import export_onnx, export_torch
    from mrisynth_pipeline.exporting.reading import load_imputer

    write, suffix = {"torch": (export_torch, ".pt2"), "onnx": (export_onnx, ".onnx")}[kind]
    graph = write(load_imputer(folder), out / f"{title}{suffix}", overwrite)
    shape = ", ".join(map(str, graph.input_shape))
    return f"{graph.path}  images [{shape}]; differs from the model by at most {graph.difference:.1e}"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@data_dir_option
def models(as_json: bool, data_dir: Path) -> None:
    """List the imputers of a project: what --model may name."""
    import json

    from mrisynth_pipeline.exporting.shelf import shelved_models

    shelved, problems = shelved_models(data_dir)
    if as_json:
        click.echo(json.dumps([_facts(model) | {"folder": str(model.folder)} for model in shelved], indent=2))
    elif shelved:
        _show(shelved, data_dir)
    else:
        click.echo(f"{data_dir} holds no trained imputer yet: run `kedro run`, or name a package with --model.")
    for problem in problems:
        click.echo(f"Left out: {problem}", err=True)


def _facts(model: "Shelved") -> dict:
    card, data = model.card, model.card.get("training_data", {})
    return {
        "name": model.name,
        "method": card["network"],
        "contrasts": list(card.get("modalities", ())),
        "grid": card.get("grid"),
        "cohort": data.get("cohort"),
        "synthetic": data.get("synthetic"),
        "subjects": data.get("subjects"),
        "date": card.get("date"),
        "kind": model.kind,
    }


def _show(shelved: "list[Shelved]", data_dir: Path) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=_CAPTION, caption_justify="left")
    for heading in ("Name", "Method", "Contrasts", "Grid (x, y, z)", "Trained on", "Date", "Kind", "Where"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("Name", "Method", "Date", "Kind"))
    for facts, model in ((_facts(model), model) for model in shelved):
        grid, subjects = facts["grid"], f"{facts['cohort']}, {facts['subjects']} subjects"
        table.add_row(
            facts["name"],
            facts["method"],
            " ".join(facts["contrasts"]),
            f"{'×'.join(map(str, grid['size']))}, {'×'.join(f'{mm:g}' for mm in grid['spacing_mm'])} mm"
            if grid
            else "",
            f"{subjects}, synthetic" if facts["synthetic"] else subjects if facts["cohort"] else "",
            facts["date"],
            facts["kind"],
            model.folder.relative_to(data_dir).as_posix(),
        )
    console = Console()
    # A pipe has no width, and would be given 80 columns.
    (console if console.is_terminal else Console(width=160)).print(table)


_CAPTION = "package: ready for use. model: as trained, its doubt not calibrated. For research, not for diagnostic use."
