import itertools

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.dropping import choose_withheld, withhold_scans
from mrisynth_pipeline.cohorts.findings import find_oddities
from mrisynth_pipeline.cohorts.manifest import build_manifest, data_fingerprint, summarise
from mrisynth_pipeline.cohorts.manifest_schema import withheld
from mrisynth_pipeline.cohorts.parameters import CohortParameters, SplitParameters
from mrisynth_pipeline.cohorts.splits import make_split
from mrisynth_pipeline.reporting.cohort_quality import quality_text

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

    def test_contrasts_need_not_stay(self):
        alone = complete(1)
        assert choose_withheld(alone, 0.5, 0) == {}
        assert len(pairs(choose_withheld(alone, 0.5, 0, every_contrast=False))) == 2
        assert len(pairs(choose_withheld(alone, 0.9, 0, every_contrast=False))) == 3

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


class TestWithholding:
    """In a manifest: marked, counted, and gone for all that reads it."""

    @pytest.fixture(scope="class")
    def archive(self, tmp_path_factory):
        """Ten subjects of the BraTS layout, on voxels of their own: T1 lies elsewhere, with the label map on it."""
        folder = tmp_path_factory.mktemp("raw")
        for number in range(10):
            subject = f"BraTS-GLI-{number:05}-000"
            (folder / subject).mkdir()
            for place, name in enumerate(("t1n", "t1c", "t2w", "t2f", "seg")):
                affine = np.diag([1.0, 1.0, 1.0, 1.0])
                affine[:3, 3] = 3 if name in ("t1n", "seg") else 0
                generator = np.random.default_rng((number, place))
                high = 4 if name == "seg" else 1000
                voxels = generator.integers(0, high, (9, 9, 9)).astype(np.uint8 if name == "seg" else np.int16)
                nib.save(nib.Nifti1Image(voxels, affine), folder / subject / f"{subject}-{name}.nii.gz")
        return build_manifest("made", "brats", folder, registered=False)

    @pytest.fixture(scope="class")
    def split(self, archive):
        return make_split(archive, SplitParameters(validation_fraction=0.2, test_fraction=0.3))

    @staticmethod
    def lost(manifest) -> set[tuple[str, str]]:
        rows = withheld(manifest)
        return set(zip(rows["subject"], rows["modality"], strict=True))

    @staticmethod
    def parameters(**options) -> CohortParameters:
        return CohortParameters(**{"drop_fraction": 0.5, **options})

    def test_nothing_is_withheld_by_default(self, archive, split):
        assert withhold_scans(archive, split, CohortParameters()).equals(archive)

    def test_train_loses_its_share_and_the_others_nothing(self, archive, split):
        lost = self.lost(withhold_scans(archive, split, self.parameters()))
        train = set(split.loc[split["split"] == "train", "subject"])
        assert len(train) == 5
        assert {subject for subject, _ in lost} <= train
        assert sum(modality != "seg" for _, modality in lost) == 10

    def test_all_takes_the_same_from_train_and_as_much_from_each_of_the_others(self, archive, split):
        train = self.lost(withhold_scans(archive, split, self.parameters()))
        everywhere = self.lost(withhold_scans(archive, split, self.parameters(drop_from="all")))
        part = dict(zip(split["subject"], split["split"], strict=True))
        assert {scan for scan in everywhere if part[scan[0]] == "train"} == train
        for name, size in (("validation", 2), ("test", 3)):
            scans = [scan for scan in everywhere if part[scan[0]] == name and scan[1] != "seg"]
            assert len(scans) == size * 4 // 2

    def test_a_label_map_goes_with_the_scan_that_it_was_drawn_on(self, archive, split):
        lost = self.lost(withhold_scans(archive, split, self.parameters(drop_from="all")))
        without_t1 = {subject for subject, modality in lost if modality == "t1"}
        assert without_t1
        assert {subject for subject, modality in lost if modality == "seg"} == without_t1

    def test_on_a_shared_grid_label_maps_stay(self, archive, split):
        lost = self.lost(withhold_scans(archive.assign(registered="yes"), split, self.parameters(drop_from="all")))
        assert "seg" not in {modality for _, modality in lost}

    def test_it_is_the_same_study_of_other_data(self, archive, split):
        marked = withhold_scans(archive, split, self.parameters())
        assert make_split(marked, SplitParameters(validation_fraction=0.2, test_fraction=0.3)).equals(split)
        assert data_fingerprint(marked) != data_fingerprint(archive)
        summary = summarise(marked)
        assert sum(summary["withheld_scans"].values()) == len(self.lost(marked))
        assert summary["refused_scans"] == []
        assert summary["subjects"] == 10
        findings = find_oddities(marked)
        assert set(findings["kind"]) >= {"withheld", "incomplete"}
        assert "refused" not in set(findings["kind"])
        assert "cohort.drop_fraction" in quality_text(summary, findings)
