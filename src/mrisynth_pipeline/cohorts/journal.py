"""What earlier runs found out about files: a killed check of thousands of scans goes on where it was."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.integrity import CHECK_VERSION, ScanCheck, ScanTask


class Journal:
    """A file with one line of JSON per check, appended to as checks come in.

    A line counts for a file whose path, size and time of change are those of the line: the file is then not read
    again. Lines of other versions of the checks and a last line that a killed run left unfinished count for
    nothing. To check everything anew, delete the file.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there.

        Args:
            path: The file; it and its folder are made when first written to.
        """
        self._path = Path(path)
        self._known: dict[str, dict[str, Any]] = {}
        if not self._path.is_file():
            return
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                    self._known[entry["key"]] = entry["check"]
                except (ValueError, KeyError, TypeError):
                    continue

    def find(self, task: ScanTask) -> ScanCheck | None:
        """The check of a file that is as it was then, or ``None``."""
        fields = self._known.get(_key(task))
        if fields is None:
            return None
        try:
            return ScanCheck(**{name: _as_tuple(value) for name, value in fields.items()})
        except TypeError:
            return None

    def add(self, task: ScanTask, check: ScanCheck) -> None:
        """Append a check."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(task, check))

    def keep_only(self, checks: Iterable[tuple[ScanTask, ScanCheck]]) -> None:
        """Rewrite the file with these checks alone, so that it does not grow from run to run."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(f".{self._path.name}.unfinished")
        with unfinished.open("w", encoding="utf-8") as file:
            file.writelines(_line(task, check) for task, check in checks)
        unfinished.replace(self._path)


def _line(task: ScanTask, check: ScanCheck) -> str:
    return json.dumps({"key": _key(task), "check": asdict(check)}) + "\n"


def _key(task: ScanTask) -> str:
    """What must be unchanged for an earlier check to count."""
    try:
        status = task.path.stat()
        seen: list[Any] = [status.st_size, status.st_mtime_ns]
    except OSError:
        seen = []
    labels = sorted(task.label_values) if task.label_values is not None else None
    return json.dumps([CHECK_VERSION, str(task.path), *seen, task.volume, labels])


def _as_tuple(value: Any) -> Any:
    """JSON knows lists only."""
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value
