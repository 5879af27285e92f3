"""What can be handed in, and patterns that say what names mean."""

import json
from pathlib import Path

import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imputing.given import OwnScans, matches, read_names


def test_patterns_are_read_in_their_order_with_any_usual_spelling():
    assert list(read_names(" *_mp2rage*=T1w, *_dark*=FLAIR ,*gd*=T1Gd,x=brain").items()) == [
        ("*_mp2rage*", "t1"),
        ("*_dark*", "flair"),
        ("*gd*", "t1c"),
        ("x", "brain"),
    ]


def test_a_pattern_may_hold_an_equals_sign():
    assert read_names("a=b*=t2") == {"a=b*": "t2"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.yml", '"*_mp2rage*": t1\n"*dark*": FLAIR\n'),
        ("names.json", json.dumps({"*_mp2rage*": "t1", "*dark*": "flair"})),
    ],
)
def test_patterns_may_stand_in_a_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_names(str(tmp_path / name)) == {"*_mp2rage*": "t1", "*dark*": "flair"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", r"names\.yml: is no table of pattern: contrast"),
        ("*_x: t1\n", r"names\.yml: is neither YAML nor JSON .*in quotes"),  # an alias, to YAML
        ("a: 3\n", r"names\.yml: is no table of pattern: contrast"),
        ("a: !!python/object/apply:os.getcwd []\n", r"names\.yml: is neither YAML nor JSON"),
        ("a: t3\n", r"--names a: 't3' is no contrast\. Use one of: t1, t1c"),
        ("{}\n", r"--names: holds no pattern"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, text, message):
    (tmp_path / "names.yml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_names(str(tmp_path / "names.yml"))


@pytest.mark.parametrize(
    ("given", "message"), [("*x*", "'*x*' is no pattern=contrast"), ("=t1", "'=t1' is no"), (" , ", "holds no pattern")]
)
def test_what_is_no_pattern_is_refused(given, message):
    with pytest.raises(InputError) as caught:
        read_names(given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*_mp2rage*", "P1/x_mp2rage_1.nii.gz", True),
        ("mp2rage*", "P1/MP2RAGE_1.nii.gz", True),
        ("P1/*", "P1/a/b.nii.gz", True),
        ("P1/*", "x/P1/b.nii.gz", False),
        ("*/flair/*", "P1/FLAIR/3.nii", True),
        ("?.nii", "P1/a.nii", True),
        ("a", "a.nii", False),
    ],
)
def test_patterns_are_for_paths_and_without_a_slash_for_names_too(pattern, path, fits):
    assert matches(pattern, Path(path)) == fits


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither a folder nor files are given"),
        ({"input": Path("a"), "files": {"t1": Path("b")}}, "a folder and single files are given"),
        ({"files": {"t3": Path("b")}}, "'t3' is no contrast"),
        ({"files": {"T1w": Path("a"), "t1": Path("b")}}, "T1w and t1 name one contrast twice"),
        ({"files": {"t1": Path("a")}, "names": "*=t1"}, "--names: is for folders"),
        ({"input": Path("a"), "subject": "../x"}, "'../x' cannot be a file name. Use 'x'"),
    ],
)
def test_what_contradicts_itself_is_refused(options, message):
    with pytest.raises(InputError) as caught:
        OwnScans(**options)
    assert message in str(caught.value)


def test_contrasts_of_files_may_be_spelt_as_bids_does():
    assert OwnScans(files={"ce-T1w": "a", "FLAIR": "b"}).contrasts == {"t1c": Path("a"), "flair": Path("b")}
