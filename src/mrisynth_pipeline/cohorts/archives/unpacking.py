"""Unpacks tar and zip files that hold scans: safely, once, and again if it was killed.

Only scans, transforms, tables and sidecars leave an archive, and nothing of it can land outside its own folder.
"""

import gzip
import json
import logging
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tqdm import tqdm

from mrisynth_pipeline.cohorts.archives.scan_files import SCAN_SUFFIXES, all_files, scan_paths
from mrisynth_pipeline.cohorts.errors import InputError

logger = logging.getLogger(__name__)

ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
UNPACKED_SUFFIXES = (*SCAN_SUFFIXES, ".tfm", ".tsv", ".json")

_MARKER = ".unpacked.json"
_CHUNK_BYTES = 1 << 20
_LARGEST_RATIO = 500
"""Scans shrink by 2 to 10, label maps by a few hundred."""
_ALWAYS_ALLOWED_BYTES = 1 << 30
# NotImplementedError: zipfile's word for a compression that it does not know.
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)
_GZIP_MAGIC = b"\x1f\x8b"
_TAR_BLOCK = 512


def packed_archives(raw_dir: Path) -> list[Path]:
    """The archives to unpack before a folder can be read, sorted.

    Args:
        raw_dir: A folder, or an archive.

    Returns:
        The archive itself, or those in a folder that holds archives and no scan; empty where nothing is to unpack.

    Raises:
        InputError: A folder cannot be listed.
    """
    if raw_dir.is_file():
        return [raw_dir] if _is_archive(raw_dir) else []
    if not raw_dir.is_dir() or scan_paths(raw_dir):
        return []
    return [path for path in all_files(raw_dir) if _is_archive(path)]


def unpack(archives: list[Path], target: Path, suffixes: tuple[str, ...] = UNPACKED_SUFFIXES) -> list[Path]:
    """Unpack scans, transforms, tables and sidecars of archives, each into a folder of its own.

    An archive unpacked before is passed over, as long as its size and time of change are the same. Unpacking goes
    into a hidden folder that is renamed at the end, so that a killed run leaves nothing half done.

    Args:
        archives: ``.tar``, ``.tar.gz``, ``.tgz`` and ``.zip`` files.
        target: Where the folders go.
        suffixes: Endings of the files that are unpacked.

    Returns:
        ``<target>/<archive's name without its ending>`` of each that holds anything to read.

    Raises:
        InputError: An archive is damaged, encrypted or unsafe, none holds anything to read, or the disk is full.
    """
    count = Counter(_stem(path) for path in archives)
    folders = [target / (_stem(path) if count[_stem(path)] == 1 else path.name) for path in archives]
    for second in (name for name, times in Counter(folders).items() if times > 1):
        raise InputError(second.name, "two archives have this name", "Rename one of them")
    useful = [
        folder for archive, folder in zip(archives, folders, strict=True) if _unpack_one(archive, folder, suffixes)
    ]
    if archives and not useful:
        kinds = ", ".join(suffixes)
        raise InputError(archives[0], f"holds nothing to read ({kinds})", "Unpack it by hand and look what is in it")
    return useful


def _unpack_one(archive: Path, folder: Path, suffixes: tuple[str, ...]) -> bool:
    """Unpack an archive unless that was done; whether it holds anything to read."""
    status = archive.stat()
    seen = {"archive": archive.name, "bytes": status.st_size, "changed_ns": status.st_mtime_ns}
    if _read_marker(folder) == seen:
        return True
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    limit = _ALWAYS_ALLOWED_BYTES + _LARGEST_RATIO * status.st_size
    written = count = 0
    try:
        with archive.open("rb") as file:
            read = _zip_members if archive.name.lower().endswith(".zip") else _tar_members
            members = read(archive, file, suffixes)
            for name, content, size in members:
                written += size
                _require_room(archive, written, size, limit, unfinished)
                _write(content, unfinished / _safe(archive, name), size)
                count += 1
    except _DAMAGED as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, gzip.BadGzipFile):
            raise InputError(archive, f"cannot be unpacked ({error})", "Check disk and permissions") from error
        problem = f"is damaged or not whole ({type(error).__name__}: {error})"
        raise InputError(archive, problem, "Download it again, or unpack it by hand and name the folder") from error
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if not count:
        shutil.rmtree(unfinished)
        logger.warning("%s holds nothing to read", archive)
        return False
    (unfinished / _MARKER).write_text(json.dumps(seen), encoding="utf-8")
    if folder.exists():  # of an earlier archive under this name
        shutil.rmtree(folder)
    unfinished.replace(folder)
    logger.info("%s: %d files unpacked into %s", archive, count, folder)
    return True


def _tar_members(archive: Path, file: IO[bytes], suffixes: tuple[str, ...]) -> Iterator[tuple[str, IO[bytes], int]]:
    """Name, content and size of every regular file to unpack; the file is read once, front to back."""
    compressed = file.read(2) == _GZIP_MAGIC
    if not compressed:  # tarfile takes a file that ends between two members for a whole one
        file.seek(-min(_TAR_BLOCK, archive.stat().st_size), os.SEEK_END)
        if any(file.read()):
            raise tarfile.ReadError("the end marker is missing")
    file.seek(0)
    total = archive.stat().st_size
    with tqdm.wrapattr(file, "read", total=total, desc=f"Unpacking {archive.name}", unit="B", unit_scale=True) as read:
        stream: Any = gzip.GzipFile(fileobj=read) if compressed else read
        with tarfile.open(fileobj=stream, mode="r|") as members:
            for member in members:
                if member.isreg() and _wanted(member.name, suffixes):
                    content = members.extractfile(member)
                    if content is not None:
                        yield member.name, content, member.size
        while stream.read(_CHUNK_BYTES):  # the checksum of a gzip file is behind its last byte
            pass


def _zip_members(archive: Path, file: IO[bytes], suffixes: tuple[str, ...]) -> Iterator[tuple[str, IO[bytes], int]]:
    """As ``_tar_members``."""
    with zipfile.ZipFile(file) as members:
        wanted = [
            member
            for member in members.infolist()
            if not member.is_dir()
            and not stat.S_ISLNK(member.external_attr >> 16)
            and _wanted(member.filename, suffixes)
        ]
        total = sum(member.file_size for member in wanted)
        with tqdm(total=total, desc=f"Unpacking {archive.name}", unit="B", unit_scale=True) as progress:
            for member in wanted:
                if member.flag_bits & 0x1:
                    raise InputError(archive, "is protected by a password", "Unpack it by hand and name its folder")
                with members.open(member) as content:
                    yield member.filename, content, member.file_size
                progress.update(member.file_size)


def _wanted(name: str, suffixes: tuple[str, ...]) -> bool:
    parts = PurePosixPath(name).parts
    return name.endswith(suffixes) and not any(part.startswith(".") and part != ".." for part in parts)


def _safe(archive: Path, name: str) -> PurePosixPath:
    """The member's path below the folder; an archive that reaches out of it is refused as a whole."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]:
        raise InputError(archive, f"is unsafe: {name!r} would land outside its folder", "Do not use this file")
    return path


def _require_room(archive: Path, written: int, size: int, limit: int, folder: Path) -> None:
    if written > limit:
        problem = f"unpacks to more than {_LARGEST_RATIO} times its size, which no scan does"
        raise InputError(archive, problem, "Look what is in it; unpack it by hand if it is sound")
    if size > (free := shutil.disk_usage(folder).free):
        problem = f"needs {size / 1e9:.1f} GB more to unpack, {free / 1e9:.1f} GB are free"
        raise InputError(archive, problem, "Make room, or set data_dir to a larger disk")


def _write(content: IO[bytes], path: Path, size: int) -> None:
    """Write exactly ``size`` bytes; more or fewer are a damaged or lying archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = size
    with path.open("wb") as file:
        while chunk := content.read(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left:
        raise EOFError(f"{path.name} has not the size that the archive says")


def _read_marker(folder: Path) -> Any:
    try:
        return json.loads((folder / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def _stem(path: Path) -> str:
    """The archive's name without its ending."""
    ending = next((ending for ending in ARCHIVE_SUFFIXES if path.name.lower().endswith(ending)), "")
    return path.name[: len(path.name) - len(ending)]
