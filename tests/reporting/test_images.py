import numpy as np
import pytest
from matplotlib.text import Text

from mrisynth_pipeline.reporting.images import (
    ORIENTATION,
    imputation_grid,
    misaligned_examples,
    reconstruction_grid,
    segmentation_grid,
    swap_grid,
)
from mrisynth_pipeline.reporting.style import png_bytes

MODALITIES = ("t1", "t1c", "t2", "flair")


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def pictures(figure):
    return [image for axes in figure.axes for image in axes.images]


class TestImputationGrid:
    def test_shows_inputs_truths_imputations_and_errors(self, head_slice):
        images, labels = head_slice
        methods = {"codebrain": images * 0.9, "linear": images * 0.5}
        figure = imputation_grid(images, MODALITIES, ("t1", "t2"), methods, subject="S7", segmentation=labels)
        assert len(pictures(figure)) == 2 + 2 * (1 + 2 + 2)
        found = words(figure)
        for word in ("Truth", "CodeBrain", "Linear regression", "T1", "T1Gd", "T2", "FLAIR", "|error|", "L", "R"):
            assert word in found
        assert any("S7" in text and "given T1 + T2" in text for text in found)
        assert ORIENTATION in found

    def test_all_errors_share_one_scale_and_are_errors(self, head_slice):
        images, _ = head_slice
        figure = imputation_grid(
            images, MODALITIES, ("t1", "t2", "flair"), {"codebrain": images * 0.5}, largest_error=0.4
        )
        [error] = [image for image in pictures(figure) if image.get_cmap().name == "inferno"]
        assert error.get_clim() == (0, 0.4)
        assert error.get_array().max() == pytest.approx(0.3)

    def test_rows_grow_towards_anterior(self, head_slice):
        images, _ = head_slice
        figure = imputation_grid(images, MODALITIES, ("t1",), {"codebrain": images})
        assert all(image.origin == "lower" for image in pictures(figure))

    def test_imputations_carry_their_slice_psnr(self, head_slice):
        images, _ = head_slice
        figure = imputation_grid(images, MODALITIES, ("t1", "t2", "flair"), {"exact": images, "off": images + 0.1})
        assert "100.0 dB" in words(figure)
        assert "20.0 dB" in words(figure)

    @pytest.mark.parametrize(("inputs", "methods"), [(MODALITIES, {"m": np.zeros((4, 40, 32))}), (("t1",), {})])
    def test_nothing_to_show_is_said(self, head_slice, inputs, methods):
        with pytest.raises(ValueError, match="nothing to show"):
            imputation_grid(head_slice[0], MODALITIES, inputs, methods)

    def test_draws_a_png_even_of_an_empty_slice(self):
        blank = np.zeros((4, 20, 20))
        figure = imputation_grid(blank, MODALITIES, ("t1",), {"codebrain": blank})
        assert png_bytes(figure).startswith(b"\x89PNG")


class TestSegmentationGrid:
    def test_one_picture_per_map_and_a_legend(self, head_slice):
        images, labels = head_slice
        maps = {"Rater": labels, "real": labels, "zero": labels * 0, "codebrain": labels}
        figure = segmentation_grid(images[3], maps, title="S7, T1Gd missing")
        found = words(figure)
        assert {"Image", "Rater", "Real", "Blank (zero)", "CodeBrain"} <= set(found)
        assert "S7, T1Gd missing" in found
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [
            "necrotic core", "oedema", "enhancing tumour"
        ]  # fmt: skip
        assert len(pictures(figure)) == 1 + 2 * 4

    def test_a_map_may_have_its_own_background(self, head_slice):
        images, labels = head_slice
        figure = segmentation_grid(images[3], {"codebrain": labels}, backgrounds={"codebrain": images[1]})
        assert {image.get_array().max() for image in pictures(figure)[:2]} == {0.5, 0.6}


class TestMisalignedExamples:
    @staticmethod
    def figure(head_slice, **options):
        images, _ = head_slice
        inputs = {"t1": images[0], "t2": images[2]}
        displaced = {"t1": images[0], "t2": np.roll(images[2], 4, axis=1)}
        methods = {"resunet": (images[1] * 0.5, images[1] * 0), "aginet": (images[1], images[1])}
        return misaligned_examples(inputs, displaced, images[1], "t1c", methods, **options)

    def test_both_halves_show_inputs_truth_imputations_and_errors(self, head_slice):
        figure = self.figure(head_slice, subject="S7", motion="shifted by 4 mm")
        assert len(pictures(figure)) == 2 * (2 + 1 + 2 + 2)
        found = words(figure)
        for word in ("Aligned", "Displaced", "Truth", "T2 moved", "ResUNet", "AGI-Net", "100.0 dB", ORIENTATION):
            assert word in found
        assert "T1 moved" not in found
        assert "S7  T2 shifted by 4 mm, given T1 + T2" in found
        assert png_bytes(figure).startswith(b"\x89PNG")

    def test_errors_share_one_scale_and_are_those_of_their_half(self, head_slice):
        errors = [image for image in pictures(self.figure(head_slice)) if image.get_cmap().name == "inferno"]
        assert {image.get_clim() for image in errors} == {(0, 0.3)}
        assert [float(image.get_array().max()) for image in errors] == pytest.approx([0.3, 0, 0.6, 0])

    def test_the_head_is_not_cropped_away_where_it_was_moved(self):
        head = np.zeros((30, 30))
        head[10:20, 10:20] = 0.5
        figure = misaligned_examples({"t1": head}, {"t1": np.roll(head, 4, axis=1)}, head, "t2", {"mean": (head, head)})
        assert {image.get_array().shape for image in pictures(figure) if image.get_cmap().name == "gray"} == {(16, 20)}

    def test_nothing_to_show_is_refused(self, head_slice):
        images, _ = head_slice
        same = {"t1": images[0]}
        with pytest.raises(ValueError, match="nothing to show"):
            misaligned_examples(same, same, images[1], "t1c", {"aginet": (images[1], images[1])})


class TestReconstructionGrid:
    def test_shows_originals_reconstructions_and_errors(self, head_slice):
        images, _ = head_slice
        figure = reconstruction_grid(
            images, MODALITIES, {"neuroquant": images, "monai_vqvae": images * 0.5}, subject="S7"
        )
        assert len(pictures(figure)) == 4 * (1 + 2 * 2)
        assert {"S7", "Original", "NeuroQuant", "VQ-VAE (MONAI)", "T1Gd", "|error|", "L", "R"} <= set(words(figure))
        assert words(figure).count("100.0 dB") == 4
        errors = [image for image in pictures(figure) if image.get_cmap().name == "inferno"]
        assert [error.get_array().max() > 0 for error in errors] == [False, True] * 4
        assert {error.get_clim() for error in errors} == {(0, 0.3)}
        assert png_bytes(figure).startswith(b"\x89PNG")

    def test_nothing_to_show_is_said(self, head_slice):
        with pytest.raises(ValueError, match="4 modalities, 0 autoencoders"):
            reconstruction_grid(head_slice[0], MODALITIES, {})


class TestSwapGrid:
    def test_rows_are_anatomies_and_columns_contrasts(self, head_slice):
        images, _ = head_slice
        levels = np.linspace(0.1, 1.0, 16).reshape(4, 4)[:, :, None, None]
        figure = swap_grid(images, MODALITIES, levels * np.ones_like(images[0]), subject="S7")
        grid = {}
        for axes in figure.axes:
            place = axes.get_subplotspec()
            for image in axes.images:
                grid[place.rowspan.start, place.colspan.start] = np.asarray(image.get_array())
        assert set(grid) == set(np.ndindex(5, 5)) - {(0, 0)}
        for row, column in np.ndindex(4, 4):
            assert grid[1 + row, 1 + column].max() == pytest.approx(levels[row, column, 0, 0])
        for number in range(4):
            np.testing.assert_allclose(grid[0, 1 + number], grid[1 + number, 0])
        assert [text for text in words(figure) if text.endswith("original")] == [
            f"{name} original" for name in ("T1", "T1", "T1Gd", "T1Gd", "T2", "T2", "FLAIR", "FLAIR")
        ]
        assert sum(len(axes.patches) for axes in figure.axes) == 4, "the diagonal is outlined"

    def test_pictures_carry_their_psnr_against_the_contrast(self, head_slice):
        images, _ = head_slice
        figure = swap_grid(images[:2], MODALITIES[:2], np.stack([images[:2], images[:2] + 0.1]))
        assert [text for text in words(figure) if text.endswith("dB")] == ["100.0 dB"] * 2 + ["20.0 dB"] * 2
        assert png_bytes(figure).startswith(b"\x89PNG")
