"""Converts DICOM studies into a BIDS folder with dcm2niix, one subject at a time, all or nothing.

Names in the headers are not carried over: a subject is called after its folder, and of what dcm2niix knows only the
settings of the sequence are kept. dcm2niix: Li et al., Journal of Neuroscience Methods 2016.
"""

import csv
import gzip
import hashlib
import json
import logging
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
from tqdm import tqdm

from mrisynth_pipeline.cohorts.archives.bids import SUFFIXES
from mrisynth_pipeline.cohorts.archives.dicom_series import classify
from mrisynth_pipeline.cohorts.archives.scan_files import all_files
from mrisynth_pipeline.cohorts.errors import InputError

logger = logging.getLogger(__name__)

CONVERSION_VERSION = 1
"""Raised whenever conversion or classification change: what was converted before is then converted anew."""

_MARKER = ".conversion.json"
_KEPT = (
    *("Modality", "MagneticFieldStrength", "Manufacturer", "ManufacturersModelName", "MRAcquisitionType"),
    *("SeriesDescription", "ProtocolName", "ScanningSequence", "SequenceVariant", "ScanOptions", "ImageType"),
    *("SliceThickness", "SpacingBetweenSlices", "EchoTime", "RepetitionTime", "InversionTime", "FlipAngle"),
    *("EchoTrainLength", "PixelBandwidth", "ConversionSoftware", "ConversionSoftwareVersion"),
)
"""Fields of a sidecar that say how a scan was made; all others (dates, places, numbers of people) are dropped."""
_NIFTI_TEXTS = (slice(14, 32), slice(148, 228), slice(228, 252))
"""``db_name``, ``descrip`` (dcm2niix writes the time of day into it) and ``aux_file`` of a NIfTI-1 header."""
_ENTRIES = ("subject", "source", "series", "description", "contrast", "file", "left_out")


@dataclass(frozen=True)
class SeriesEntry:
    """One line of ``conversion.csv``."""

    subject: str
    """``sub-…``."""
    source: str
    """The study's folder, relative to the raw one."""
    series: str
    """Series number."""
    description: str
    """What the series is called at the scanner."""
    contrast: str
    """Internal contrast name, ``""`` if left out."""
    file: str
    """The scan below the output folder, ``""`` if left out."""
    left_out: str
    """Why, ``""`` if converted."""


@dataclass(frozen=True)
class _Converted:
    """A volume that dcm2niix wrote, and what it is."""

    path: Path
    sidecar: dict[str, Any]
    shape: tuple[int, ...]
    contrast: str
    left_out: str


def convert_dicom(raw_dir: Path, out_dir: Path, workers: int = 1, timeout_s: float = 1800.0) -> Path:
    """Convert every study of a folder, as far as that was not done before.

    A subject is each sub-folder that holds DICOM files at any depth, or the folder itself if they lie in it directly.
    A study that cannot be converted is recorded, and the others go on.

    Args:
        raw_dir: Folder of the studies.
        out_dir: The BIDS folder, made if need be; ``conversion.csv`` in it says what became of every series.
        workers: Studies at a time.
        timeout_s: For one study.

    Returns:
        ``out_dir``, with at least one scan.

    Raises:
        InputError: dcm2niix or pydicom are not installed, there is no DICOM, or no study gave a scan.
    """
    program, raw_dir = find_dcm2niix(), Path(raw_dir)
    studies = _studies(raw_dir)
    if not studies:
        raise InputError(raw_dir, "holds no DICOM files", "Set cohort.raw_dir to the folder with one folder per study")
    out_dir.mkdir(parents=True, exist_ok=True)
    _remove_strangers(out_dir, set(studies))
    description = {"Name": "converted from DICOM", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (out_dir / "dataset_description.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    def convert(item: tuple[str, Path]) -> list[SeriesEntry]:
        subject, study = item
        try:
            return _convert_study(program, subject, study, raw_dir, out_dir, timeout_s)
        except Exception as error:  # whatever is in it must not stop the others
            logger.warning("%s cannot be converted: %s", study, error)
            return [SeriesEntry(subject, _relative(study, raw_dir), "", "", "", "", " ".join(str(error).split()))]

    with ThreadPoolExecutor(workers) as pool:  # the work is done by other processes
        results = pool.map(convert, studies.items())
        entries = [entry for found in tqdm(results, "Converting DICOM", len(studies), unit="study") for entry in found]
    table = out_dir / "conversion.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _ENTRIES)
        writer.writeheader()
        writer.writerows(asdict(entry) for entry in entries)
    if not any(entry.contrast for entry in entries):
        reasons = "; ".join(dict.fromkeys(entry.left_out for entry in entries[:3]))
        raise InputError(raw_dir, f"none of {len(studies)} studies gave a scan: {reasons}", f"See {table}")
    return out_dir


def find_dcm2niix() -> str:
    """The program, from the wheel or from the search path.

    Raises:
        InputError: It, or pydicom, is not installed.
    """
    remedy = 'Install them: pip install -e ".[dicom]"'
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise InputError("cohort.kind=dicom", "needs pydicom, which is not installed", remedy) from error
    try:
        import dcm2niix

        return str(dcm2niix.bin)
    except ImportError:
        if program := shutil.which("dcm2niix"):
            return program
    raise InputError("cohort.kind=dicom", "needs the program dcm2niix, which is not installed", remedy)


def _studies(raw_dir: Path) -> dict[str, Path]:
    """Subject (``sub-<cleaned folder name>``) → folder with DICOM files, sorted."""
    if not raw_dir.is_dir():
        raise InputError(raw_dir, "there is no such folder", "Set cohort.raw_dir to the folder of the studies")
    children = sorted(path for path in raw_dir.iterdir() if not path.name.startswith("."))
    if any(path.is_file() and is_dicom(path) for path in children):
        folders = [raw_dir.resolve()]
    else:
        folders = [path for path in children if path.is_dir() and any(map(is_dicom, all_files(path)))]
    cleaned = {folder: re.sub(r"[^A-Za-z0-9]", "", folder.name.removeprefix("sub-")) for folder in folders}
    count = Counter(name.lower() for name in cleaned.values())
    names = {}
    for folder, name in cleaned.items():
        if not name or count[name.lower()] > 1:  # "P 1" and "P-1" must not become one person
            name += "x" + hashlib.sha256(folder.name.encode()).hexdigest()[:8]
        names[f"sub-{name}"] = folder
    return names


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark, or an old one's usual ending."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".ima")
    except OSError:
        return False


def _convert_study(
    program: str, subject: str, study: Path, raw_dir: Path, out_dir: Path, timeout_s: float
) -> list[SeriesEntry]:
    """Convert one study unless it is converted as it is; its lines of ``conversion.csv``."""
    files = all_files(study)
    sizes = sorted((path.relative_to(study).as_posix(), path.stat().st_size) for path in files)
    source = hashlib.sha256(json.dumps([CONVERSION_VERSION, sizes]).encode()).hexdigest()
    home, place = out_dir / subject, _relative(study, raw_dir)
    if (marker := _read_marker(home)) and marker["source"] == source:
        return [SeriesEntry(**entry) for entry in marker["entries"]]
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".converting-") as folder:
        work, unfinished = Path(folder, "volumes"), Path(folder, subject)
        work.mkdir()
        complaint = _run(program, study, work, timeout_s)
        converted = _classified(work, _contrast_agents(files))
        entries = list(_store(converted, unfinished, subject, place))
        if complaint:
            entries.append(SeriesEntry(subject, place, "", "", "", "", complaint))
        marker = {"source": source, "entries": [asdict(entry) for entry in entries]}
        unfinished.mkdir(exist_ok=True)
        (unfinished / _MARKER).write_text(json.dumps(marker), encoding="utf-8")
        if home.exists():
            home.replace(Path(folder, "old"))
        unfinished.replace(home)
    return entries


def _run(program: str, study: Path, work: Path, timeout_s: float) -> str:
    """dcm2niix: sidecars without people (-ba y), uncompressed, named by series UID, sub-folders nine deep.

    Returns:
        What it complained about if it converted a part only, else ``""``.

    Raises:
        InputError: It converted nothing, or was not done in time.
    """
    command = [program, "-b", "y", "-ba", "y", "-z", "n", "-f", "%j", "-d", "9", "-w", "2"]
    command += ["-o", str(work.resolve()), str(study.resolve())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise InputError(study, f"dcm2niix was not done after {timeout_s:g} s", "Convert it by hand to BIDS") from error
    said = " ".join(line for line in done.stdout.splitlines() if "rror" in line) or done.stderr.strip()
    outcome = f"exit code {done.returncode}{': ' if said else ''}{said[:300]}"
    if not any(work.glob("*.nii")):
        raise InputError(study, f"dcm2niix made nothing of it ({outcome})", "Export the study again")
    return f"dcm2niix did not convert every file of the study ({outcome})" if done.returncode else ""


def _contrast_agents(files: list[Path]) -> dict[str, str]:
    """Series UID → contrast agent, from the headers: dcm2niix does not report it."""
    import pydicom

    agents: dict[str, str] = {}
    for path in files:
        try:
            tags = ["SeriesInstanceUID", "ContrastBolusAgent", "ContrastBolusAgentSequence"]
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags, force=False)
        except (pydicom.errors.InvalidDicomError, OSError, ValueError, KeyError):
            continue
        agent = str(header.get("ContrastBolusAgent") or "")
        if not agent and header.get("ContrastBolusAgentSequence"):
            agent = "given"
        uid = str(header.get("SeriesInstanceUID") or "")
        agents[uid] = agents.get(uid) or agent
    return agents


def _classified(work: Path, agents: dict[str, str]) -> list[_Converted]:
    """What dcm2niix wrote, best first within a contrast: three-dimensional scans, then the most voxels."""
    found = []
    for path in sorted(work.glob("*.nii")):
        beside = path.with_suffix(".json")
        sidecar = json.loads(beside.read_text(encoding="utf-8", errors="replace")) if beside.is_file() else {}
        uid = re.match(r"[\d.]*\d", path.stem)
        shape = tuple(int(size) for size in nib.load(path).shape)
        contrast, left_out = classify(sidecar, shape, agents.get(uid.group(), "") if uid else "")
        if contrast and path.with_suffix(".bval").exists():
            contrast, left_out = "", "comes with diffusion weights"
        found.append(_Converted(path, sidecar, shape, contrast, left_out))

    def rank(volume: _Converted) -> tuple[Any, ...]:
        voxels = 1
        for size in volume.shape:
            voxels *= size
        flat = volume.sidecar.get("MRAcquisitionType") != "3D"
        return (volume.contrast, flat, -voxels, volume.sidecar.get("SeriesNumber", 0), volume.path.name)

    return sorted(found, key=rank)


def _store(converted: list[_Converted], home: Path, subject: str, place: str) -> Iterator[SeriesEntry]:
    """Write the scans under BIDS names; the best of a contrast has no run, the others are run-2, run-3, and so on."""
    seen: Counter[str] = Counter()
    for volume in converted:
        name = ""
        if volume.contrast:
            seen[volume.contrast] += 1
            agent = "_ce-gadolinium" if volume.contrast == "t1c" else ""
            run = f"_run-{seen[volume.contrast]}" if seen[volume.contrast] > 1 else ""
            name = f"anat/{subject}{agent}{run}_{SUFFIXES[volume.contrast]}.nii.gz"
            _write_scan(volume, home / name)
        yield SeriesEntry(
            subject=subject,
            source=place,
            series=str(volume.sidecar.get("SeriesNumber", "")),
            description=str(volume.sidecar.get("SeriesDescription") or volume.sidecar.get("ProtocolName") or ""),
            contrast=volume.contrast,
            file=f"{subject}/{name}" if name else "",
            left_out=volume.left_out,
        )


def _write_scan(volume: _Converted, path: Path) -> None:
    """Compress a volume without the texts of its header, and its sidecar without what could name a person."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = bytearray(volume.path.read_bytes())
    for text in _NIFTI_TEXTS:
        content[text] = bytes(text.stop - text.start)
    path.write_bytes(gzip.compress(content, compresslevel=4, mtime=0))
    kept = {name: volume.sidecar[name] for name in _KEPT if name in volume.sidecar}
    sidecar = path.with_name(f"{path.name.removesuffix('.nii.gz')}.json")
    sidecar.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def _remove_strangers(out_dir: Path, subjects: set[str]) -> None:
    """Take away what was converted from studies that are there no more, and what killed runs left."""
    for marker in out_dir.glob(f"sub-*/{_MARKER}"):
        if marker.parent.name not in subjects:
            logger.info("%s: its study is gone, so is the converted copy", marker.parent)
            shutil.rmtree(marker.parent)
    for left in out_dir.glob(".converting-*"):
        shutil.rmtree(left, ignore_errors=True)


def _read_marker(home: Path) -> dict[str, Any] | None:
    try:
        marker = json.loads((home / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and marker.keys() >= {"source", "entries"} else None


def _relative(study: Path, raw_dir: Path) -> str:
    return study.relative_to(raw_dir).as_posix() if study.is_relative_to(raw_dir) else "."
