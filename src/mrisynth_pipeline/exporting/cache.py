"""Where models that came in as an archive or from a registry are kept unpacked."""

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder(kind: str, *identity: object) -> Path:
    """The folder for one thing that was fetched; not made.

    Args:
        kind: ``archives`` or ``registry``.
        identity: What tells it from all others of its kind.

    Returns:
        A folder below ``$MRISYNTH_CACHE``, or below the user's cache folder.
    """
    root = os.environ.get("MRISYNTH_CACHE")
    base = Path(root) if root else user_cache_path("mrisynth_pipeline", appauthor=False)
    return base / kind / hashlib.sha256("\n".join(map(str, identity)).encode()).hexdigest()[:16]
