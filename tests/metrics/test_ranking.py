"""Ranks over subjects: Demšar's critical difference, Friedman's test, who is joined with whom."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mrisynth_pipeline.metrics.ranking import critical_difference, rank_methods


def table(values: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"method": name, "subject": f"s{number}", "inputs": "t1", "target": "t2", "score": value}
            for name, of_name in values.items()
            for number, value in enumerate(of_name)
        ]
    )


@pytest.mark.parametrize(
    ("k", "q"), zip(range(2, 11), (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164), strict=True)
)
def test_critical_values_are_those_of_demsar_2006_table_5(k, q):
    assert critical_difference(k, 1) / np.sqrt(k * (k + 1) / 6) == pytest.approx(q, abs=0.0015)


def test_it_shrinks_with_subjects():
    assert critical_difference(5, 40) == pytest.approx(critical_difference(5, 10) / 2)


VALUES = {"a": [9.0, 8.0, 9.5, 8.5, 9.1], "b": [7.0, 8.0, 7.5, 7.1, 7.3], "c": [1.0, 2.0, 3.0, 1.5, 2.5]}


class TestRanks:
    def test_mean_ranks_share_ties_and_come_best_first(self):
        found = rank_methods(table(VALUES), ["c", "a", "b"], "score", higher_is_better=True)
        assert found["mean_ranks"] == pytest.approx({"a": 1.1, "b": 1.9, "c": 3.0})
        assert list(found["mean_ranks"]) == ["a", "b", "c"]

    def test_the_direction_turns_them(self):
        found = rank_methods(table(VALUES), list("abc"), "score", higher_is_better=False)
        assert list(found["mean_ranks"]) == ["c", "b", "a"]

    def test_friedman_is_scipy_s_and_iman_davenport_follows_from_it(self):
        found = rank_methods(table(VALUES), list("abc"), "score", higher_is_better=True)
        test = stats.friedmanchisquare(*VALUES.values())
        assert found["friedman"] == pytest.approx({"statistic": test.statistic, "p": test.pvalue})
        f = 4 * test.statistic / (5 * 2 - test.statistic)
        assert found["iman_davenport"]["statistic"] == pytest.approx(f)

    def test_pairs_are_averaged_within_a_subject_first(self):
        twice = pd.concat([table(VALUES), table(VALUES).assign(target="pd", score=0.0)])
        found = rank_methods(twice, list("abc"), "score", higher_is_better=True)
        assert found["n_subjects"] == 5, "subjects are the blocks, not pairs"

    def test_a_pair_that_one_lacks_counts_for_nobody(self):
        more = pd.concat([table(VALUES), table({"c": [99.0] * 5}).assign(target="pd")])
        assert rank_methods(more, list("abc"), "score", higher_is_better=True)["mean_ranks"]["c"] == 3.0


class TestGroups:
    def test_clear_orders_of_many_subjects_are_told_apart(self):
        values = {name: (10.0 - number + np.linspace(0, 0.5, 30)).tolist() for number, name in enumerate("abc")}
        found = rank_methods(table(values), list("abc"), "score", higher_is_better=True)
        assert found["groups"] == []

    def test_few_subjects_join_neighbours(self):
        values = {name: [10.0 - number + s for s in range(4)] for number, name in enumerate("abcd")}
        found = rank_methods(table(values), list("abcd"), "score", higher_is_better=True)
        assert 2 < found["critical"] < 3
        assert found["groups"] == [["a", "b", "c"], ["b", "c", "d"]], "a and d differ, and no group lies in another"

    def test_where_nothing_could_be_told_apart_it_says_so(self):
        values = {name: [10.0 - number + s for s in range(2)] for number, name in enumerate("abcdefgh")}
        found = rank_methods(table(values), list("abcdefgh"), "score", higher_is_better=True)
        assert found["groups"] == [list("abcdefgh")]
        assert any("no two ranks" in sentence for sentence in found["words"] if found["friedman"]["p"] <= 0.05) or any(
            "no difference at all" in sentence for sentence in found["words"]
        )

    @pytest.mark.parametrize("values", [{"a": [1.0, 2.0], "b": [2.0, 3.0]}, {"a": [1.0], "b": [2.0], "c": [3.0]}])
    def test_too_little_to_rank(self, values):
        found = rank_methods(table(values), list(values), "score", higher_is_better=True)
        assert found["friedman"] is None
        assert found["critical"] is None
        assert "tell nothing" in found["words"][0]
