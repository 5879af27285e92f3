"""What a scenario says, and how a wrong one is answered."""

import pytest

from mrisynth_pipeline.models.scenarios import Scenario, parse_scenario

MODALITIES = ("t1", "t1c", "t2", "pd")


def test_any_takes_and_gives_every_contrast():
    assert parse_scenario("any", MODALITIES) == Scenario(MODALITIES, MODALITIES, fixed=False)


@pytest.mark.parametrize("text", ["t1+t2->pd", "t2+t1->pd", " t1 + t2 -> pd "])
def test_a_fixed_scenario_is_in_channel_order(text):
    assert parse_scenario(text, MODALITIES) == Scenario(("t1", "t2"), ("pd",), fixed=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("t1+t2", "neither"),
        ("t1->t2->pd", "neither"),
        ("", "neither"),
        ("t1+flair->pd", r"names \['flair'\]"),
        ("t1->", r"names \[''\]"),
        ("->pd", r"names \[''\]"),
        ("t1+t2->t2", r"asks for \['t2'\], which it is given"),
    ],
)
def test_a_wrong_one_is_refused_with_the_contrasts_there_are(text, problem):
    with pytest.raises(ValueError, match=f"{problem}.*the study has t1, t1c, t2, pd"):
        parse_scenario(text, MODALITIES)
