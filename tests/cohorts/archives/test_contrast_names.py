"""From a file name to a contrast, or to the reason why it says none for certain."""

import pytest

from mrisynth_pipeline.cohorts.archives.contrast_names import beginning, read_contrast, says_only_a_contrast


@pytest.mark.parametrize(
    ("contrast", "names"),
    [
        ("t1", "t1 T1w x-t1n SAG_T1_MPRAGE mprage t1-weighted 3DT1 AxT1 bravo IR-FSPGR tfl t1_mprage_sag_p2_iso"),
        ("t1", "t1_pre pre_contrast_T1 T1_no_GD T1_noncontrast P01_preop_T1 003_t1 UCSF-PDGM-0004_T1 sub-PD01_T1w"),
        ("t1", "sub-PD_T1w T1_native brain_T1 T1_stripped"),
        ("t1c", "t1ce T1GD T1_gad t1c x-T1c T1C+ T1_post T1post t1_post_contrast contrast_t1 T1w_postcontrast T1_KM"),
        ("t1c", "sub-01_ce-gadolinium_T1w ce-gd_T1w T1W_SAG_1mm_GD T1_CE UPENN-GBM-00001_11_T1GD mprage_gd T1_post_2"),
        ("t2", "t2 T2w t2_tse AX_T2 T2_SPACE AxT2 x-t2w"),
        ("flair", "flair T2_FLAIR t2flair T2-FLAIR x-t2f FLAIR_post sagT2FLAIR t2_tirm_tra_dark-fluid dark_fluid"),
        ("pd", "pd PDw pd_tse proton_density ProtonDensity"),
        ("brain", "brain_mask P01_T1_brainmask T1_brain-mask"),
    ],
)
def test_names_say_a_contrast(contrast, names):
    assert {name: read_contrast(name).contrast for name in names.split()} == dict.fromkeys(names.split(), contrast)


@pytest.mark.parametrize("name", ["SAG T1 MPRAGE +C", "AX T1 C+", "T1 without fat sat GD", "t1+c", "T1 post contrast"])
def test_blanks_and_signs_say_that_contrast_agent_was_given(name):
    assert read_contrast(name).contrast == "t1c"


@pytest.mark.parametrize("name", ["T1 without contrast", "T1 pre Gd", "T1 ohne KM", "non-contrast T1"])
def test_words_for_without_overrule_those_for_the_agent(name):
    assert read_contrast(name).contrast == "t1"


@pytest.mark.parametrize(
    ("name", "doubt"),
    [
        ("t1_t2", "its name says T1 and T2"),
        ("T1 FLAIR", "its name says T1 and FLAIR"),
        ("pd-t2", "its name says T2 and PD"),
        ("PD_007_T1", "its name says T1 and PD"),  # Parkinson's disease: whether it is, nobody can tell
        ("brain", "its name says no contrast"),
        ("T10", "its name says no contrast"),
        ("T12_x", "its name says no contrast"),
        ("scanT1b", "its name says no contrast"),
        ("mp2rage", "its name says no contrast"),
        ("P01_T1_seg", "its name says SEG, which is no scan"),
        ("T1map", "its name says MAP, which is no scan"),
        ("T2star", "its name says T2STAR, which is no scan"),
        ("t2_star_gre", "its name says T2STAR, which is no scan"),
        ("T2* AX", "its name says T2*, which is no scan"),
        ("T1_GM", "its name says GM, which is no scan"),
        ("DIR", "its name says DIR, which is no scan"),
        ("sub-01_T1w_desc-synth", "its name says SYNTH, which is no scan"),
        ("post_T1", "its POST may be for contrast agent or for treatment"),
        ("T1_post_RT", "its POST may be for contrast agent or for treatment"),
        ("T1_C", "its C may be for contrast agent or for coronal"),
        ("CE_01_T1", "its name does not say for certain whether contrast agent was given"),
        ("T1_pre_and_post", "its name does not say for certain whether contrast agent was given"),
        ("T1_pre_x_T1_gd", "its name does not say for certain whether contrast agent was given"),
        ("", "its name says no contrast"),
    ],
)
def test_what_a_name_does_not_say_for_certain_is_not_guessed(name, doubt):
    reading = read_contrast(name)
    assert reading.contrast == ""
    assert reading.doubt.startswith(doubt)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("P01_T1", "P01"),
        ("P7-t1", "P7"),
        ("AX_T2_FLAIR", ""),
        ("P01_AX_T1_3", "P01"),
        ("P01_ses-2_sag_t1_gd", "P01_ses-2"),
        ("FS_01_T1", "FS_01"),  # a word about the scan, but not next to the contrast: two people called FS stay two
        ("sub-PD_T1w", "sub-PD"),
        ("HR_T1", "HR"),
        ("P2_T1", "P2"),
        ("P02_something", "P02_something"),
        ("P01_brain_mask", "P01"),
    ],
)
def test_what_stands_before_the_scan_is_the_subject(name, start):
    assert beginning(name) == start


def test_folders_named_after_a_contrast_are_told_from_those_of_people():
    names = ("T1", "AX_T2_FLAIR", "pd", "PD_07", "P01_T1", "post", "anat")
    assert [name for name in names if says_only_a_contrast(name)] == ["T1", "AX_T2_FLAIR", "pd"]
