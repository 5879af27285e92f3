"""From what a scanner calls a series to a contrast, or to the reason why it is none."""

import re

import pytest

from mrisynth_pipeline.cohorts.archives.dicom_series import classify

SHAPE = (256, 256, 30)


def series(name, te=0.0, tr=0.0, ti=0.0, image_type=("ORIGINAL", "PRIMARY", "M"), **others):
    """A sidecar; times in seconds."""
    times = {"EchoTime": te, "RepetitionTime": tr, "InversionTime": ti}
    given = {key: value for key, value in times.items() if value}
    return {"Modality": "MR", "SeriesDescription": name, "ImageType": list(image_type), **given, **others}


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("t1_mprage_sag_p2_iso", "t1"),
        ("Sag 3D MPRAGE", "t1"),
        ("AX T1W SE", "t1"),
        ("Ax T1 FLAIR", "t1"),
        ("FSPGR BRAVO", "t1"),
        ("t1_mprage_post_GD", "t1c"),
        ("AX T1 +C", "t1c"),
        ("t1_tse_tra_KM", "t1c"),
        ("T1CE", "t1c"),
        ("Sag T1 post without FS", "t1c"),
        ("T1 pre-contrast", "t1"),
        ("T1 without contrast", "t1"),
        ("T1 nativ", "t1"),
        ("t1_cor", "t1"),
        ("t2_tse_tra_512", "t2"),
        ("AX T2W FSE", "t2"),
        ("AX FLAIR", "flair"),
        ("t2_tirm_tra_dark-fluid", "flair"),
        ("3D T2 FLAIR SPACE", "flair"),
        ("pd_tse_tra", "pd"),
        ("Proton density", "pd"),
    ],
)
def test_names_tell_the_contrast(name, contrast):
    assert classify(series(name), SHAPE) == (contrast, "")


@pytest.mark.parametrize(
    ("te", "tr", "ti", "contrast"),
    [
        (0.003, 1.9, 0.9, "t1"),
        (0.010, 0.5, 0, "t1"),
        (0.090, 4.0, 0, "t2"),
        (0.015, 3.0, 0, "pd"),
        (0.120, 9.0, 2.5, "flair"),
        (0.060, 3.0, 0, ""),
        (0.090, 0.5, 0, ""),
        (0.0, 0.0, 0, ""),
    ],
)
def test_times_tell_the_contrast_where_the_name_is_silent(te, tr, ti, contrast):
    found, left_out = classify(series("brain axial", te, tr, ti), SHAPE)
    assert found == contrast
    assert ("do not tell its contrast" in left_out) == (not contrast)


def test_a_dual_echo_scan_is_two_contrasts():
    assert classify(series("PD+T2 TSE dual", te=0.012, tr=3), SHAPE)[0] == "pd"
    assert classify(series("PD+T2 TSE dual", te=0.1, tr=3), SHAPE)[0] == "t2"


def test_a_t2_with_a_long_inversion_is_a_flair():
    assert classify(series("t2_space_ir", te=0.3, tr=5, ti=1.8), SHAPE)[0] == "flair"


@pytest.mark.parametrize(("agent", "contrast"), [("Gadovist", "t1c"), ("", "t1"), ("NONE", "t1")])
def test_the_header_tells_of_gadolinium_where_the_name_is_silent(agent, contrast):
    assert classify(series("t1_mprage"), SHAPE, agent)[0] == contrast


def test_the_name_overrules_a_header_kept_for_the_whole_study():
    assert classify(series("t1_mprage_pre"), SHAPE, "Gadovist")[0] == "t1"
    assert classify(series("AX FLAIR"), SHAPE, "Gadovist")[0] == "flair"


@pytest.mark.parametrize(
    ("sidecar", "shape", "words"),
    [
        (series("t1", Modality="CT"), SHAPE, "is CT, not MR"),
        (series("t1"), (64, 64, 30, 20), r"has 4 axes \(64x64x30x20\)"),
        (series("t1_mprage", image_type=("DERIVED", "SECONDARY", "MPR")), SHAPE, r"calculated.*DERIVED, MPR"),
        (series("t1", image_type=("ORIGINAL", "PRIMARY", "P")), SHAPE, "calculated from another"),
        (series("t1"), (256, 256, 5), "has only 5 slices"),
        (series("localizer t1"), SHAPE, "says LOCALIZER"),
        (series("ep2d_diff_ADC"), SHAPE, "says DIFF"),
        (series("T1 MIP"), SHAPE, "says MIP"),
        (series("AX SWI"), SHAPE, "says SWI"),
        (series("AX T2* GRE"), SHAPE, r"says T2\*"),
        (series("t2_star_fl2d"), SHAPE, r"says T2\*"),
        (series("t2_tse_sag C-Spine"), SHAPE, "says SPINE"),
        (series(""), SHAPE, r"its name \(none\) and its times"),
        ({}, SHAPE, r"its name \(none\) and its times"),
        (series("T1 T2 mixed"), SHAPE, "do not tell its contrast"),
    ],
)
def test_what_is_none_of_the_contrasts_is_left_out_with_a_reason(sidecar, shape, words):
    contrast, reason = classify(sidecar, shape)
    assert contrast == ""
    assert re.search(words, reason)
