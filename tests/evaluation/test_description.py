"""A subject in numbers: what is there, and how far the contrasts go together as a method has learned."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.evaluation.description import describe_subject, fit_familiarity
from mrisynth_pipeline.models.door import impute_volume

CONTRASTS = ("t1", "t2", "pd")


def described(file, method=None, **options):
    return describe_subject(file.volumes(), file.mask(), file.metadata, method, **options)


def test_every_contrast_is_described_and_the_brain_once(brains):
    found = described(brains.open("anna"))
    assert {key.split("/")[0] for key in found} == {"", *CONTRASTS}
    mask = brains.open("anna").mask()
    assert found["/brain_ml"] == pytest.approx(mask.sum() * 36 / 1000)
    assert all(np.isfinite(value) for value in found.values())


def test_each_is_imputed_from_the_others(brains, doubtful):
    file = brains.open("anna")
    found = described(file, doubtful(CONTRASTS))
    errors = {key: value for key, value in found.items() if "unlikeness" in key}
    assert set(errors) == {"t1/unlikeness/t2+pd", "t2/unlikeness/t1+pd", "pd/unlikeness/t1+t2"}
    volumes, mask = torch.from_numpy(file.volumes()), torch.from_numpy(file.mask())
    imputed = impute_volume(doubtful(CONTRASTS), volumes, torch.tensor([True, True, False]))
    everywhere = float((imputed[2] - volumes[2]).abs()[mask].mean())
    assert errors["pd/unlikeness/t1+t2"] == pytest.approx(everywhere, rel=0.1), "some slices stand for all"


def test_absent_contrasts_are_left_out_and_never_looked_at(incomplete_brains, doubtful):
    found = described(incomplete_brains.open("anna"), doubtful(CONTRASTS))
    assert not any(key.startswith("pd") for key in found)
    assert {key for key in found if "unlikeness" in key} == {"t1/unlikeness/t2", "t2/unlikeness/t1"}
    assert all(np.isfinite(value) for value in found.values())


def test_one_contrast_alone_cannot_be_imputed_from_others(brains, doubtful):
    file = brains.open("anna")
    about = file.metadata | {"present": [True, False, False]}
    found = describe_subject(file.volumes(), file.mask(), about, doubtful(CONTRASTS))
    assert not any("unlikeness" in key for key in found)


def test_the_reference_knows_every_subset(brains, doubtful):
    known = fit_familiarity(doubtful(CONTRASTS), brains, ["anna", "bert", "same"], count=2)
    assert known.subjects == 2
    inputs = {key.split("/")[2] for key in known.references if key.startswith("pd/unlikeness")}
    assert inputs == {"t1", "t2", "t1+t2"}


def test_contrasts_that_do_not_belong_together_are_found(brains, doubtful):
    # The same histograms, but t2 is another subject's: only imputing it from the others can tell.
    method = doubtful(CONTRASTS)
    known = fit_familiarity(method, brains, ["same"], count=None)
    mixed, other = brains.open("same"), brains.open("anna")
    volumes = mixed.volumes()
    assert known.compare(describe_subject(volumes, mixed.mask(), mixed.metadata, method)) == []
    volumes[1] = np.where(mixed.mask(), other.volumes()[0], 0)
    findings = known.compare(describe_subject(volumes, mixed.mask(), mixed.metadata, method))
    assert {finding.feature for finding in findings if finding.severity == "warning"} == {"unlikeness"}
