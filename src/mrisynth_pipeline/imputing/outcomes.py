"""What became of every subject: kept as a record beside the results, so that a killed run goes on."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mrisynth_pipeline.exporting.whole import appearing

DONE, TO_DO, COMPLETE, FAILED = "done", "to do", "nothing missing", "failed"
"""What becomes of a subject."""


@dataclass(frozen=True)
class Outcome:
    """What became of one subject."""

    subject: str
    status: str
    inputs: tuple[str, ...] = ()
    """Contrasts that the model was, or will be, shown."""
    imputed: tuple[str, ...] = ()
    """Contrasts that were, or will be, imputed."""
    light: str = ""
    reason: str = ""
    """Why it failed, or the summary of what was imputed."""
    expected: dict[str, float | None] = field(default_factory=dict)
    """Contrast → mean expected absolute error inside the brain, in [0, 1]; ``None``: not known."""
    findings: int = 0
    """Notes and warnings."""
    seconds: float = 0.0
    folder: str = ""
    """Of its images, relative to the output."""
    page: str = ""
    """Its page, relative to the output; "" without one."""
    fingerprint: str = ""
    """Of all that the results depend on."""
    files: tuple[str, ...] = ()
    """All files written, relative to the output."""


def record_file(output: Path, stem: str) -> Path:
    """Where the record of a subject lies."""
    return output / "records" / f"{stem}.json"


def write_record(outcome: Outcome, file: Path) -> None:
    """Keep an outcome; it appears whole or not at all."""
    with appearing(file, overwrite=True) as unfinished:
        unfinished.write_text(json.dumps(asdict(outcome), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_record(file: Path) -> Outcome | None:
    """What was kept; ``None`` where there is nothing, or nothing that can be read."""
    try:
        about: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return Outcome(**about | {name: tuple(about[name]) for name in ("inputs", "imputed", "files")})
    except (OSError, ValueError, KeyError, TypeError):
        return None
