import numpy as np
import pytest
from scipy.ndimage import binary_erosion, distance_transform_edt

from mrisynth_pipeline.metrics.segmentation import tissue_scores, tissue_volumes, tumour_scores, tumour_volumes


@pytest.fixture
def tumour():
    labels = np.zeros((20, 24, 28), np.uint8)
    labels[4:16, 5:17, 6:18] = 2
    labels[7:13, 8:14, 9:15] = 3
    labels[9:11, 10:12, 11:13] = 1
    return labels


def directed_distances(mask, other, spacing):
    edge = mask & ~binary_erosion(mask)
    return distance_transform_edt(~(other & ~binary_erosion(other)), sampling=spacing)[edge]


def test_a_perfect_outline(tumour):
    assert tumour_scores(tumour, tumour, (1.0, 1.0, 1.0)) == {
        region: {"dice": pytest.approx(1.0), "hd95_mm": 0.0} for region in ("WT", "TC", "ET")
    }


def test_regions_are_sets_of_labels_and_distances_are_in_mm(tumour):
    moved = np.roll(tumour, 2, axis=0)
    spacing = (3.0, 1.0, 0.5)
    scores = tumour_scores(moved, tumour, spacing)
    for region, labels in {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}.items():
        p, t = np.isin(moved, labels), np.isin(tumour, labels)
        assert scores[region]["dice"] == pytest.approx(2 * (p & t).sum() / (p.sum() + t.sum()), abs=1e-6)
        both_ways = [directed_distances(p, t, spacing), directed_distances(t, p, spacing)]
        expected = max(np.percentile(distances, 95) for distances in both_ways)
        assert scores[region]["hd95_mm"] == pytest.approx(expected, abs=1e-4)
    assert scores["WT"]["hd95_mm"] == pytest.approx(6.0)  # two slices of 3 mm


def test_hd95_forgives_a_few_stray_voxels(tumour):
    stray = tumour.copy()
    stray[0, 0, 0] = 2
    assert tumour_scores(stray, tumour, (1.0, 1.0, 1.0))["WT"]["hd95_mm"] == 0.0


@pytest.mark.parametrize(
    ("predicted", "real", "dice", "hd95"),
    [(False, False, 1.0, 0.0), (True, False, 0.0, np.nan), (False, True, 0.0, np.nan)],
    ids=["absent in both", "false alarm", "missed"],
)
def test_empty_regions_follow_the_rule_of_brats(tumour, predicted, real, dice, hd95):
    enhancing = np.where(tumour == 3, 3, 0)
    scores = tumour_scores(enhancing * predicted, enhancing * real, (1.0, 1.0, 1.0))["ET"]
    assert scores["dice"] == dice
    np.testing.assert_equal(scores["hd95_mm"], hd95)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 1.0, 0.0)])
def test_spacing_is_checked(tumour, spacing):
    with pytest.raises(ValueError, match="spacing_mm"):
        tumour_scores(tumour, tumour, spacing)


def test_shapes_are_checked(tumour):
    with pytest.raises(ValueError, match="the rater's map"):
        tumour_scores(tumour[1:], tumour, (1.0, 1.0, 1.0))


def test_tissues_are_single_labels():
    truth = np.zeros((6, 8, 10), np.uint8)
    truth[1:5, 1:7, 1:4], truth[1:5, 1:7, 4:7], truth[1:5, 1:7, 7:9] = 1, 2, 3
    drawn = np.where(truth == 1, 2, truth)  # grey taken for white
    scores, volumes = tissue_scores(drawn, truth, (1.0, 1.0, 2.0)), tissue_volumes(drawn, truth, (1.0, 1.0, 2.0))
    assert list(scores) == list(volumes) == ["grey", "white", "csf"]
    assert scores["csf"] == {"dice": 1.0, "hd95_mm": 0.0}
    assert scores["white"]["dice"] == pytest.approx(2 / 3)
    assert scores["white"]["hd95_mm"] == pytest.approx(6.0)
    assert scores["grey"]["dice"] == 0
    assert volumes["grey"]["missed_ml"] == volumes["white"]["false_ml"] == pytest.approx(0.144)


def test_volumes_of_regions_are_in_ml(tumour):
    volumes = tumour_volumes(np.zeros_like(tumour), tumour, (2.0, 2.0, 2.0))
    assert {region: v["true_ml"] for region, v in volumes.items()} == pytest.approx(
        {"WT": 12**3 * 0.008, "TC": 6**3 * 0.008, "ET": (6**3 - 8) * 0.008}
    )
    with pytest.raises(ValueError, match="the rater's map"):
        tumour_volumes(tumour[1:], tumour, (1.0, 1.0, 1.0))
