"""Fetches the IXI archive: resumable, checked by its published sums.

Where it lies: brain-development.org, as three tar files of together about 12 GB (CC BY-SA 3.0).
"""

import errno
import hashlib
import http.client
import logging
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mrisynth_pipeline.cohorts.archives import ixi
from mrisynth_pipeline.cohorts.errors import InputError

logger = logging.getLogger(__name__)

IXI_URL = "http://biomedic.doc.ic.ac.uk/brain-development/downloads/IXI"
IXI_FILES = {
    "t1": ("IXI-T1.tar", "34901a0593b41dd19c1a1f746eac2d58"),
    "t2": ("IXI-T2.tar", "e3140d78730ecdd32ba92da48c0a9aaa"),
    "pd": ("IXI-PD.tar", "88ecd9d1fa33cb4a2278183b42ffd749"),
}
"""Contrast → file and its md5 sum."""

_CHUNK_BYTES = 1 << 20
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)
_BY_HAND = "Download the file by hand on another machine and set cohort.raw_dir to its folder"


@dataclass(frozen=True)
class Patience:
    """How long a slow or broken line is borne with."""

    timeout_s: float = 60.0
    """Without a byte for so long, the connection is given up."""
    attempts: int = 6
    """Connections in a row that brought nothing before the download fails; two where the server never answered."""
    pause_s: float = 5.0
    """Before the second attempt; doubled before each further one."""


def download_ixi(
    folder: Path,
    modalities: Collection[str] = tuple(IXI_FILES),
    url: str = IXI_URL,
    patience: Patience = Patience(),
) -> list[Path]:
    """Fetch the parts of IXI that a folder lacks.

    Args:
        folder: Where the tar files go, made if need be. A contrast of which it holds scans already is not fetched.
        modalities: Contrasts wanted: ``t1``, ``t2``, ``pd``.
        url: Folder of the tar files on the web.
        patience: With the line.

    Returns:
        The tar files that are to be unpacked, those that were there before included.

    Raises:
        InputError: The folder is a file, or see ``fetch``.
    """
    if folder.is_file():
        raise InputError(folder, "is a file where a folder is expected", "Set cohort.raw_dir to a folder")
    folder.mkdir(parents=True, exist_ok=True)
    present = {scan.modality for scan in ixi.find_scans(folder)}
    wanted = [IXI_FILES[name] for name in modalities if name in IXI_FILES and name not in present]
    return [fetch(f"{url}/{name}", folder / name, md5, patience) for name, md5 in wanted]


def fetch(url: str, path: Path, md5: str, patience: Patience = Patience()) -> Path:
    """Download a file; a download that was cut off goes on where it was.

    Args:
        url: Where it lies.
        path: Where it goes. What has come so far is kept in ``<path>.part``.
        md5: Sum that it must have.
        patience: With the line.

    Returns:
        ``path``. A file that is there already was checked when it came, and is not read again.

    Raises:
        InputError: No network, no such file, no room on the disk, or a wrong sum.
    """
    if path.is_file():
        return path
    part = path.with_name(f"{path.name}.part")
    resumed = part.exists() and part.stat().st_size > 0
    _fetch_part(url, part, patience)
    found = _md5(part)
    if found != md5 and resumed:  # what lay there may have been of another file: once more from the start
        logger.warning("%s: what was there before does not fit, starting over", part)
        part.unlink()
        _fetch_part(url, part, patience)
        found = _md5(part)
    if found != md5:
        part.unlink()
        raise InputError(url, f"what came has the md5 sum {found}, {md5} is right", "Try again, or get it by hand")
    part.replace(path)
    return path


def _fetch_part(url: str, part: Path, patience: Patience) -> None:
    """Fill ``part``, over as many connections as it takes."""
    failures, answered = 0, False
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _one_connection(url, part, before, patience.timeout_s):
                return
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:  # nothing is left: the sum will tell
                return
            if error.code < 500:
                raise InputError(url, f"the server says {error.code} {error.reason}", _BY_HAND) from error
            reason, answered = f"the server says {error.code} {error.reason}", True
        except (http.client.HTTPException, OSError) as error:  # URLError and time-outs are OSErrors
            if getattr(error, "errno", None) in _OF_THE_DISK:
                raise InputError(part, f"cannot be written ({error})", "Check disk and permissions") from error
            reason = str(getattr(error, "reason", "") or error) or type(error).__name__
        progressed = part.exists() and part.stat().st_size > before
        answered = answered or progressed
        failures = 0 if progressed else failures + 1
        if failures >= (patience.attempts if answered else min(patience.attempts, 2)):
            raise InputError(url, f"no network, or the server does not answer ({reason})", _BY_HAND)
        pause = patience.pause_s * 2 ** max(failures - 1, 0)
        logger.warning("%s: %s, trying again in %g s", url, reason, pause)
        time.sleep(pause)


def _one_connection(url: str, part: Path, have: int, timeout_s: float) -> bool:
    """Append what one connection brings; whether the file is whole now (by its announced size)."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=timeout_s) as response:
        if response.status != http.client.PARTIAL_CONTENT:
            have = 0  # the server knows no ranges and sends everything again
        announced = response.headers.get("Content-Length")
        total = have + int(announced) if announced else None
        free = shutil.disk_usage(part.parent).free
        if total and total - have > free:
            problem = f"{(total - have) / 1e9:.1f} GB are to come, {free / 1e9:.1f} GB are free"
            raise InputError(part.parent, problem, "Make room, or set cohort.raw_dir to a folder on a larger disk")
        bar = tqdm(total=total, initial=have, desc=f"Downloading {part.stem}", unit="B", unit_scale=True)
        with bar as progress, part.open("ab" if have else "wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                progress.update(len(chunk))
    return total is None or part.stat().st_size >= total


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
