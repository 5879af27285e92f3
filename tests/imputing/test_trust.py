import pytest

from mrisynth_pipeline.imputing.trust import Finding, Trust, judge, summary_sentence, worst

WARNING, NOTE = Finding("warning", "t1", "Its slices are thick."), Finding("note", "", "A file is not used.")
TYPICAL = (0.04, 0.06)


@pytest.mark.parametrize(
    ("expected", "typical", "findings", "light"),
    [
        (0.04, TYPICAL, [], "green"),
        (0.04, TYPICAL, [NOTE], "green"),
        (0.06, TYPICAL, [], "green"),
        (0.07, TYPICAL, [], "amber"),
        (0.04, TYPICAL, [WARNING], "amber"),
        (None, None, [], "amber"),
        (0.091, TYPICAL, [], "red"),
        (0.04, TYPICAL, [WARNING] * 3, "red"),
        (None, None, [WARNING] * 3, "red"),
    ],
)
def test_the_light_follows_the_rules_that_are_written_down(expected, typical, findings, light):
    trust = judge("t2", expected, typical, typical and 0.2, findings)
    assert trust.light == light
    assert trust.expected == expected
    assert ("not known" in trust.sentence) == (expected is None)


def test_the_sentence_names_what_it_compares():
    assert "7.0%" in judge("t2", 0.07, TYPICAL, 0.2, []).sentence
    assert "6.0%" in judge("t2", 0.07, TYPICAL, 0.2, []).sentence
    assert "2 warnings" in judge("t2", 0.01, TYPICAL, 0.2, [WARNING, WARNING]).sentence


@pytest.mark.parametrize(("expected", "light"), [(0.14, "green"), (0.17, "amber"), (0.2, "red")])
def test_a_model_that_is_no_better_than_a_uniform_grey_is_not_trusted_for_being_so_as_usual(expected, light):
    trust = judge("t2", expected, (0.2, 0.3), 0.2, [])
    assert trust.light == light
    assert ("uniform grey (20.0%)" in trust.sentence) == (light != "green")


def test_the_worst_of_some_lights():
    assert worst([]) == "green"
    assert worst(["green", "red", "amber"]) == "red"


def test_a_summary_gives_the_reasons_or_says_that_there_are_none():
    good, bad = Trust("green", "As usual.", 0.04), Trust("red", "Far above.", 0.2)
    assert "as usual" in summary_sentence(["t1"], {"t2": good}, [NOTE])
    assert "Far above" in summary_sentence(["t1"], {"t2": good, "flair": bad}, [])
    told = summary_sentence(["t1"], {"t2": Trust("red", "", 0.1)}, [WARNING] * 4)
    assert "thick" in told and "2 more" in told
