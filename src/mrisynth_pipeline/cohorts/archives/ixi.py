"""Reads the file names of the IXI archive: ``IXI002-Guys-0828-T1.nii.gz``, healthy volunteers of three sites.

The name holds the volunteer, the hospital (Guys, HH, IOP), a scan number and the contrast. The tar files
unpack to one flat folder each; whether they stay apart (``IXI-T1``, ``IXI-T2``, ``IXI-PD``) or share one
folder makes no difference.
"""

import re
from pathlib import Path

from mrisynth_pipeline.cohorts.archives.scan_files import ScanFile, scan_paths

MODALITIES = ("t1", "t2", "pd")
EXAMPLE = "IXI002-Guys-0828-T1.nii.gz"

_NAME = re.compile(
    r"(?P<subject>(?P<patient>IXI\d{3,})-(?P<site>[A-Za-z]+)-\d{4,})"
    r"-(?P<contrast>T1|T2|PD|MRA|DTI)(?:-\d+)?\.nii(\.gz)?"
)
"""MRA and DTI, the archive's other sequences, are recognised so that they do not count as unknown files."""


def find_scans(raw_dir: Path) -> list[ScanFile]:
    """All scans of an IXI archive, angiograms (``mra``) and diffusion scans (``dti``) included.

    Args:
        raw_dir: Folder of the unpacked archive.

    Returns:
        One entry per recognised file, sorted by path; empty when nothing is recognised.

    Raises:
        InputError: A folder cannot be listed.
    """
    matches = ((path, _NAME.fullmatch(path.name)) for path in scan_paths(raw_dir))
    return [
        ScanFile(
            subject=match["subject"],
            patient=match["patient"],
            session="",
            site=match["site"],
            modality=match["contrast"].lower(),
            path=path,
        )
        for path, match in matches
        if match is not None
    ]
