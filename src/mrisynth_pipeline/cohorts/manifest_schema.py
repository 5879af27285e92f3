"""The manifest as a table: its columns, how it is checked and read, and what makes a row usable."""

from pathlib import Path
from typing import Any

import pandas as pd
import pandera.errors
import pandera.pandas as pa
from pandera.typing import Series

from mrisynth_pipeline.cohorts.errors import InputError

WITHHELD = "is withheld as if it did not exist"
"""Words of the problem of a sound file that ``cohort.drop_fraction`` takes away."""

UNRECOGNISED = "unrecognised"
"""Modality of the rows for NIfTI files that no reader understands; their subject is ``""``."""


class ManifestSchema(pa.DataFrameModel):
    """One row per scan, label map or unrecognised NIfTI file, sorted by subject, modality and path."""

    cohort: Series[str] = pa.Field(str_length={"min_value": 1})
    """Name of the cohort, the same in all rows."""
    subject: Series[str]
    """Unit of the study; ``""`` only for unrecognised files."""
    patient: Series[str]
    """The person; may have several subjects (time points)."""
    session: Series[str]
    """Time point or ``""``."""
    site: Series[str]
    """Hospital or ``""``."""
    modality: Series[str] = pa.Field(str_length={"min_value": 1})
    """Internal contrast name, ``seg`` or ``unrecognised``."""
    path: Series[str] = pa.Field(str_matches=r"^[^/]")
    """File, relative to ``raw_dir``, with forward slashes."""
    volume: Series[str] = pa.Field(str_matches=r"^\d*$")
    """Which volume of a 4-D file, from 0; ``""`` for a 3-D file."""
    raw_dir: Series[str]
    """The raw directory as the caller gave it, the same in all rows."""
    layout: Series[str]
    """Name of the layout that the file's name follows; ``""`` for unrecognised files."""
    registered: Series[str] = pa.Field(isin=["yes", "no", ""])
    """Whether the subject's scans share one grid and are skull-stripped; ``""`` for unrecognised files."""
    labels: Series[str] = pa.Field(str_matches=r"^(\d+:\d+( \d+:\d+)*)?$")
    """Of a label map: value in the file → internal label, ``"0:0 1:1 2:2 4:3"``."""
    transform: Series[str]
    """Transforms shipped with the scan, relative to ``raw_dir``, in their order with ``|`` between them, or
    ``identity``; see ``ScanFile.transform``."""
    spare: Series[str] = pa.Field(isin=["yes", ""])
    """Whether another scan of the same contrast is used instead; ``problems`` then names it."""
    shape: Series[str] = pa.Field(str_matches=r"^(\d+(x\d+)*)?$")
    """Voxels along (x, y, z), ``"240x240x155"``."""
    spacing_mm: Series[str]
    """Voxel size along (x, y, z), ``"1.00x1.00x1.00"``."""
    orientation: Series[str]
    """Direction in which each index grows, ``"LPS"``."""
    intensity_min: Series[float] = pa.Field(nullable=True)
    """Smallest finite value as stored in the file; NaN where unknown."""
    intensity_max: Series[float] = pa.Field(nullable=True)
    """Largest finite value as stored in the file; NaN where unknown."""
    tissue_ml: Series[float] = pa.Field(nullable=True)
    """Volume of the voxels above 0 in mL; NaN where unknown."""
    sha256: Series[str] = pa.Field(str_matches=r"^([0-9a-f]{64})?$")
    """Hash of the file."""
    problems: Series[str]
    """``""`` for a usable file, else sentences joined by ``"; "``: why it is refused, or what is used instead of a
    spare scan."""
    remarks: Series[str]
    """What a person should look at though the file is used, as sentences joined by ``"; "``."""

    class Config:
        """No other columns; nothing is converted in silence."""

        strict = True
        unique = ["path", "volume"]  # noqa: RUF012  (read by pandera)

    @pa.dataframe_check(error="a row without problems must name its subject, hash, shape and intensity range")
    @classmethod
    def _usable_rows_are_complete(cls, manifest: pd.DataFrame) -> Series[bool]:
        complete = (manifest[["subject", "patient", "sha256", "shape"]] != "").all(axis=1)
        complete &= manifest[["intensity_min", "intensity_max"]].notna().all(axis=1)
        return complete | (manifest["problems"] != "")


COLUMNS = list(ManifestSchema.to_schema().columns)
_NUMBERS = ("intensity_min", "intensity_max", "tissue_ml")
CSV_LOAD_ARGUMENTS: dict[str, Any] = {
    "dtype": {column: "str" for column in COLUMNS if column not in _NUMBERS},
    "keep_default_na": False,
    "na_values": {column: [""] for column in _NUMBERS},
}
"""Arguments of ``pandas.read_csv`` that bring a manifest back unchanged: ``000`` and ``""`` stay text."""


def validate_manifest(manifest: pd.DataFrame) -> pd.DataFrame:
    """Hold a manifest to ``ManifestSchema``.

    Returns:
        The manifest, unchanged.

    Raises:
        InputError: It breaks the schema; the message names the columns and the first offending values.
    """
    try:
        return ManifestSchema.validate(manifest, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates(["column", "check"]).head(4)
        shown = ", ".join(f"{case.column}: {case.check} ({case.failure_case})" for case in cases.itertuples())
        raise InputError(
            "manifest",
            f"breaks its schema ({shown})",
            "Build it again with the ingestion pipeline; read a CSV with manifest.CSV_LOAD_ARGUMENTS",
        ) from error


def usable(manifest: pd.DataFrame) -> pd.DataFrame:
    """The rows without problems, scans and label maps."""
    return manifest[manifest["problems"] == ""]


def withheld(manifest: pd.DataFrame) -> pd.DataFrame:
    """The rows that are sound but withheld (``cohort.drop_fraction``), label maps and masks that went with them too."""
    return manifest[manifest["problems"].str.contains(WITHHELD, regex=False)]


def scan_path(row: Any, project_dir: Path | None = None) -> Path:
    """The file of a manifest row.

    Args:
        row: A row as ``Series``, ``dict`` or named tuple.
        project_dir: Folder that a relative raw directory is relative to; the working directory by default.
    """
    fields = row._asdict() if hasattr(row, "_asdict") else row
    return Path(project_dir or "") / fields["raw_dir"] / fields["path"]
