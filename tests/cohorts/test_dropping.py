import itertools

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.dropping import choose_withheld

CONTRASTS = ["t1", "t1c", "t2", "flair"]


def complete(n: int = 20) -> pd.DataFrame:
    return pd.DataFrame(True, index=[f"s{number:02}" for number in range(n)], columns=CONTRASTS)


def pairs(withheld) -> set[tuple[str, str]]:
    return {(subject, contrast) for subject, contrasts in withheld.items() for contrast in contrasts}


class TestHowMany:
    @pytest.mark.parametrize("fraction", [0.0, 0.1, 0.3, 0.5, 0.7])
    def test_the_fraction_to_the_nearest_scan(self, fraction):
        assert len(pairs(choose_withheld(complete(), fraction, 0))) == round(fraction * 80)

    def test_everyone_keeps_a_scan_and_every_contrast_somebody(self):
        table = complete()
        withheld = pairs(choose_withheld(table, 0.99, 0))
        left = table.copy()
        for subject, contrast in withheld:
            left.loc[subject, contrast] = False
        assert left.any(axis=1).all()
        assert left.any(axis=0).all()
        assert 57 <= len(withheld) <= 60  # 20 scans must stay, and up to three more for the contrasts

    def test_it_withholds_what_is_there(self):
        table = complete()
        table.iloc[::2, 1] = False
        withheld = choose_withheld(table, 0.5, 0)
        assert all(table.loc[subject, contrast] for subject, contrast in pairs(withheld))
        assert len(pairs(withheld)) == round(0.5 * int(table.to_numpy().sum()))

    def test_the_last_scan_of_a_subject_and_of_a_contrast_stay(self):
        table = pd.DataFrame([[True, False], [True, True]], index=["one", "two"], columns=["t1", "t2"])
        for seed in range(10):
            assert pairs(choose_withheld(table, 0.9, seed)) == {("two", "t1")}

    def test_nobody_there(self):
        assert choose_withheld(complete(0), 0.5, 0) == {}

    @pytest.mark.parametrize("fraction", [-0.1, 1.0])
    def test_impossible_fractions(self, fraction):
        with pytest.raises(ValueError, match=r"\[0, 1\)"):
            choose_withheld(complete(), fraction, 0)


class TestWhich:
    def test_a_smaller_fraction_withholds_a_part_of_a_larger_one(self):
        sets = [pairs(choose_withheld(complete(), fraction, 3)) for fraction in np.linspace(0, 0.95, 20)]
        assert all(smaller <= larger for smaller, larger in itertools.pairwise(sets))

    def test_the_seed_decides_and_the_order_of_the_table_does_not(self):
        table = complete()
        once = choose_withheld(table, 0.3, 1)
        assert choose_withheld(table.iloc[::-1, ::-1], 0.3, 1) == once
        assert choose_withheld(table, 0.3, 2) != once

    def test_no_contrast_is_favoured(self):
        withheld = pairs(choose_withheld(complete(500), 0.5, 0))
        shares = [sum(contrast == name for _, contrast in withheld) / 500 for name in CONTRASTS]
        np.testing.assert_allclose(shares, 0.5, atol=0.06)
