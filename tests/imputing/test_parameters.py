import pytest
from pydantic import ValidationError

from mrisynth_pipeline.imputing.parameters import HowToImpute, ImputeParameters


@pytest.mark.parametrize("written", ["T2w,FLAIR", "t2+flair", ["T2w", "flair"], ("t2", "flair")])
def test_contrasts_may_be_spelt_as_bids_does_and_in_one_word(written):
    assert HowToImpute(to=written).to == ("t2", "flair")


def test_like_may_be_spelt_otherwise_too():
    assert HowToImpute(like="T1Gd").like == "t1c"
    assert HowToImpute(like=None).like is None


@pytest.mark.parametrize("wrong", [{"to": "t3"}, {"to": []}, {"to": "t1,T1w"}, {"like": "adc"}, {"n_samples": 1}])
def test_what_is_no_contrast_is_refused_by_name(wrong):
    with pytest.raises(ValidationError):
        HowToImpute(**wrong)


def test_a_misspelt_option_is_an_error():
    with pytest.raises(ValidationError, match="modle"):
        ImputeParameters(modle="codebrain")
