"""What autoencoders keep, in tables, sentences and curves."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from mrisynth_pipeline.metrics.codes import summarise_codes
from mrisynth_pipeline.metrics.reconstruction import summarise_reconstructions
from mrisynth_pipeline.reporting.reconstruction import (
    codebook_curves,
    codes_table,
    reconstruction_table,
    reconstruction_verdict,
)
from mrisynth_pipeline.reporting.style import method_colours, png_bytes


def summary(levels: dict[str, float], n_subjects: int = 7) -> dict:
    rows = []
    for (method, level), subject, modality, region in itertools.product(
        levels.items(), range(n_subjects), ("t1", "flair"), ("volume", "brain")
    ):
        psnr = level + 2 * (modality == "flair") + 5 * (region == "volume")
        rows.append(
            {"method": method, "subject": f"s{subject}", "modality": modality, "region": region}
            | {"psnr": psnr, "ssim": 3 * psnr}
        )
    return summarise_reconstructions(pd.DataFrame(rows), n_resamples=100)


@pytest.fixture(scope="module")
def codes():
    counts = {"t1": [50, 50, 0, 0], "flair": [50, 50, 0, 0]}
    return summarise_codes(
        pd.concat(
            pd.DataFrame({"method": "neuroquant", "modality": name, "code": range(4), "count": n, "n_voxels": 6400})
            for name, n in counts.items()
        )
    )


@pytest.fixture(scope="module")
def three():
    return summary({"neuroquant": 25.0, "monai_vqvae": 23.0, "continuous": 28.0})


def cells(table) -> list[dict]:
    return [dict(zip(table.headings(), (c.text for c in row.cells), strict=True)) for row in table.rows]


def test_the_table_has_every_autoencoder_in_every_modality_and_marks_the_best(three):
    table = reconstruction_table(three)
    rows = cells(table)
    assert [row["Modality"] for row in rows] == ["T1", "", "", "FLAIR", "", "", "All", "", ""]
    assert rows[0] == {
        "Modality": "T1",
        "Autoencoder": "NeuroQuant",
        "Whole volume PSNR (dB)": "30.00",
        "Whole volume SSIM3D ×100": "90.00",
        "Brain PSNR (dB)": "25.00",
        "Brain SSIM3D ×100": "75.00",
    }
    assert rows[8]["Autoencoder"] == "NeuroQuant, continuous"
    assert rows[8]["Brain PSNR (dB)"] == "29.00"
    assert [row.cells[4].best for row in table.rows] == [False, False, True] * 3
    assert "7 subjects" in table.caption


def test_a_modality_that_a_method_was_not_scored_on_is_a_dash(three):
    vqvae = three["methods"]["monai_vqvae"]
    short = {name: entry for name, entry in vqvae["by_modality"].items() if name != "t1"}
    methods = three["methods"] | {"monai_vqvae": vqvae | {"by_modality": short}}
    rows = cells(reconstruction_table(three | {"methods": methods, "warnings": ["vqvae was scored on less"]}))
    assert rows[1]["Brain PSNR (dB)"] == "–"
    assert "vqvae was scored on less." in reconstruction_table(three | {"warnings": ["vqvae was scored on less"]}).notes


def test_the_codes_have_a_row_for_all_and_for_each_modality(codes):
    rows = cells(codes_table(codes))
    assert [row["Modality"] for row in rows] == ["All", "T1", "FLAIR"]
    assert rows[0]["Codes in use"] == "2 of 4 (50.0 %)"
    assert rows[0]["Tokens"] == "200"
    assert (rows[1]["Perplexity"], rows[1]["Bits per voxel nominal"], rows[1]["Bits per voxel entropy"]) == (
        "2.0",
        "0.0312",
        "0.0156",
    )


def test_the_verdict_says_better_and_worse_where_it_is_shown(three, codes):
    first, vqvae, continuous = reconstruction_verdict(three, codes)
    assert first == (
        "NeuroQuant gives the brain back with 26.00 dB PSNR (31.00 dB over the whole volume, n = 7 subjects) at 0.0312 "
        "bits per voxel, with 2 of 4 codes in use."
    )
    assert vqvae == "It is better than VQ-VAE (MONAI) by 2.00 dB inside the brain (p = 0.047)."
    assert continuous == "It is worse than NeuroQuant, continuous by 3.00 dB inside the brain (p = 0.047)."


def test_the_verdict_turns_round_with_the_method_asked_for(three, codes):
    first, neuroquant, _ = reconstruction_verdict(three, codes, "monai_vqvae")
    assert "bits" not in first
    assert neuroquant.startswith("It is worse than NeuroQuant by 2.00 dB")
    with pytest.raises(ValueError, match="mmhvae was not scored"):
        reconstruction_verdict(three, codes, "mmhvae")


def test_nothing_is_claimed_of_few_subjects(codes):
    _, sentence = reconstruction_verdict(summary({"neuroquant": 25.0, "monai_vqvae": 23.0}, n_subjects=2), codes)
    assert sentence.startswith(
        "No difference from VQ-VAE (MONAI) can be shown: 2.00 dB inside the brain (p = 0.500; 2 "
    )
    assert "n = 1 subject)" in reconstruction_verdict(summary({"neuroquant": 25.0}, n_subjects=1), codes)[0]


def test_codebooks_are_drawn_over_the_training():
    history = pd.DataFrame(
        {
            "step": [0, 10, 20],
            "train_loss": [3, 2, 1],
            "val_code_perplexity": [4, np.nan, 12],
            "val_codebook_usage": [0.1, np.nan, 0.5],
        }
    )
    histories = {"neuroquant": history, "monai_vqvae": history.assign(val_codebook_usage=0.2)}
    figure = codebook_curves(histories | {"continuous": history[["step", "train_loss"]]})
    perplexity, usage = figure.axes
    assert perplexity.lines[0].get_xydata().tolist() == [[0, 4], [20, 12]]
    assert usage.lines[0].get_ydata().tolist() == [10, 50]
    assert len(perplexity.lines) == len(usage.lines) == 2
    words = {text.get_text() for text in figure.findobj(Text)}
    assert {"Perplexity", "Codes in use", "% of the codebook", "NeuroQuant", "VQ-VAE (MONAI)"} <= words
    assert png_bytes(figure).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="none of the trainings of continuous logged"):
        codebook_curves({"continuous": history[["step", "train_loss"]]})


def test_autoencoders_that_are_drawn_together_differ_in_colour():
    assert len(set(method_colours(["neuroquant", "continuous", "monai_vqvae"]).values())) == 3
