"""Reconstructions are scored where they should be, and every code is counted once."""

import numpy as np
import pytest
import torch
from torch import nn

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.evaluation.reconstruction import count_codes, score_reconstructions
from mrisynth_pipeline.metrics.image import volume_scores

ALL = EvaluationParameters()
CONTRASTS = ("t1", "t2", "pd")


class Exact(nn.Module):
    """Gives back what it got, but for an error in the brain; codes are coarse intensities."""

    modalities = CONTRASTS
    codebook_size = 5

    def __init__(self, error: float = 0.0) -> None:
        super().__init__()
        self.error = nn.Parameter(torch.tensor(error))

    @torch.no_grad()
    def reconstruct(self, images, present):
        return torch.where(images > 0, images + self.error, images)

    @torch.no_grad()
    def indices(self, images, present):
        return (images[..., ::4, ::4, ::4].nan_to_num() * 4).long()


def test_an_exact_reconstruction_is_exact_and_an_error_is_diluted_by_the_background(brains):
    scores = score_reconstructions("exact", Exact(), brains, ["anna", "bert"], ALL)
    assert len(scores) == 2 * 3 * 2
    assert list(scores.columns) == ["method", "subject", "modality", "region", "psnr", "ssim"]
    assert (scores["psnr"] == 100).all()
    assert scores["ssim"].to_numpy() == pytest.approx(100)
    mask = brains.open("anna").mask()
    off = score_reconstructions("off", Exact(0.02), brains, ["anna"], ALL)
    t1 = off[off["modality"] == "t1"].set_index("region")["psnr"]
    assert t1["brain"] == pytest.approx(-20 * np.log10(0.02), abs=0.05)
    assert t1["volume"] - t1["brain"] == pytest.approx(-10 * np.log10(mask.mean()), abs=1e-3)


def test_a_network_is_scored_on_what_it_makes(brains, neuroquant):
    scores = score_reconstructions("neuroquant", neuroquant, brains, ["anna"], ALL)
    file = brains.open("anna")
    volumes, mask = torch.from_numpy(file.volumes()), torch.from_numpy(file.mask())
    made = neuroquant.reconstruct(volumes[None], torch.ones(1, 3, dtype=torch.bool))[0]
    for row in scores.to_dict("records"):
        channel = CONTRASTS.index(row["modality"])
        where = mask if row["region"] == "brain" else torch.ones_like(mask)
        expected = volume_scores(made[channel], volumes[channel], where)
        assert (row["psnr"], row["ssim"]) == (expected["psnr"], expected["ssim"])


def test_what_was_never_scanned_has_no_score_and_no_code(incomplete_brains, neuroquant):
    scores = score_reconstructions("neuroquant", neuroquant, incomplete_brains, ["anna", "bert"], ALL)
    assert scores.groupby("subject")["modality"].nunique().to_dict() == {"anna": 2, "bert": 3}
    counts = count_codes("neuroquant", neuroquant, incomplete_brains, ["anna", "bert"])
    assert counts.groupby("modality")["count"].sum().to_dict() == {"t1": 2 * 960, "t2": 2 * 960, "pd": 960}


def test_so_many_subjects_as_the_parameters_say(brains):
    few = EvaluationParameters(ceiling_subjects=1)
    assert set(score_reconstructions("exact", Exact(), brains, ["bert", "anna"], few)["subject"]) == {"bert"}


def test_codes_are_counted_over_subjects(brains):
    counts = count_codes("exact", Exact(), brains, ["anna", "bert"])
    assert len(counts) == 3 * 5
    assert set(counts["n_voxels"]) == {2 * 32 * 48 * 40}
    seen = [(brains.open(name).volumes()[1, ::4, ::4, ::4] * 4).astype(int) for name in ("anna", "bert")]
    expected = np.bincount(np.concatenate(seen).ravel(), minlength=5)
    assert counts[counts["modality"] == "t2"]["count"].tolist() == expected.tolist()


def test_a_subject_on_which_it_fails_is_left_out_and_no_subject_is_an_error(brains, caplog):
    scores = score_reconstructions("exact", Exact(), brains, ["anna", "nobody"], ALL)
    assert set(scores["subject"]) == {"anna"}
    assert "failed on subject nobody" in caplog.text
    with pytest.raises(RuntimeError, match=r"failed on every subject: nobody: .*there is no such subject file"):
        score_reconstructions("exact", Exact(), brains, ["nobody"], ALL)
    with pytest.raises(RuntimeError, match="there is no subject"):
        count_codes("exact", Exact(), brains, [])
