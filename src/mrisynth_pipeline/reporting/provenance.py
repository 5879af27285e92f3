"""Where a result comes from: versions of the libraries that made it, and the commit of the code."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "torch",
    "lightning",
    "monai",
    "torchmetrics",
    "vector-quantize-pytorch",
    "SimpleITK",
    "nibabel",
    "numpy",
    "scipy",
    "scikit-image",
    "scikit-learn",
    "pandas",
    "kedro",
    "mlflow",
    "dvc",
)
"""Libraries whose version can change a number in the report, or the way it was tracked."""


def library_versions() -> dict[str, str]:
    """Installed versions of Python and the main libraries; what is not installed is left out."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def git_commit(project: Path) -> str:
    """Short commit of the project's repository, ``+ changes`` if files differ from it; "" without git."""
    commit = _git(project, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return ""
    return f"{commit} + changes" if _git(project, "status", "--porcelain", "--untracked-files=no") else commit


def _git(project: Path, *arguments: str) -> str:
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=project, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no git, no repository, or no such folder
        return ""
    return result.stdout.strip()
