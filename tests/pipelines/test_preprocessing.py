"""The montage shows what a person should look at."""

import pandas as pd
import pytest

from mrisynth_pipeline.pipelines.preprocessing import nodes


@pytest.fixture
def shown(monkeypatch):
    """Subjects that the montage was asked for."""
    calls = []
    monkeypatch.setattr(nodes, "registration_montage", lambda store, subjects, modalities: calls.append(list(subjects)))
    return calls


def index(doubtful=(), failed=(), count=40) -> pd.DataFrame:
    names = [f"s{n:02d}" for n in range(count)]
    return pd.DataFrame(
        {
            "subject": names,
            "status": ["failed" if name in failed else "done" for name in names],
            "warnings": ["look" if name in doubtful else "" for name in names],
        }
    )


def test_the_montage_is_spread_over_the_cohort(shown):
    nodes.draw_montage({"modalities": ["t1"]}, None, index(failed=("s00",)))
    assert len(shown[0]) == nodes.MONTAGE_SUBJECTS
    assert "s00" not in shown[0]
    assert shown[0][-1] > "s30"


def test_doubtful_subjects_are_shown_but_do_not_fill_it(shown):
    doubtful = [f"s{n:02d}" for n in range(1, 40, 3)]
    nodes.draw_montage({"modalities": ["t1"]}, None, index(doubtful=doubtful))
    assert len(shown[0]) == nodes.MONTAGE_SUBJECTS
    assert sum(subject in doubtful for subject in shown[0]) == nodes.MONTAGE_SUBJECTS // 2
