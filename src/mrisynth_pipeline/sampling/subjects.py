"""Some subjects of many."""

from collections.abc import Sequence

import numpy as np


def evenly_spread(subjects: Sequence[str], count: int | None) -> list[str]:
    """At most so many, evenly spread over all, in their order; ``None`` takes all."""
    if count is None or count >= len(subjects):
        return list(subjects)
    return [subjects[round(place)] for place in np.linspace(0, len(subjects) - 1, count)]
