"""What was given is told from what was imputed; errors and deviations share one scale."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from mrisynth_pipeline.reporting.doubt_grids import doubt_grid, latent_grid, subset_grid
from mrisynth_pipeline.reporting.style import png_bytes

MODALITIES = ("t1", "t1c", "t2", "flair")


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def pictures(figure):
    return [image for axes in figure.axes for image in axes.images]


def frames(figure):
    return sum(isinstance(patch, Rectangle) for axes in figure.axes for patch in axes.patches)


@pytest.fixture
def means(head_slice):
    images, _ = head_slice
    return {"t1": images * 0.9, "t1+t2+flair": images * 0.5}


class TestSubsets:
    def test_a_row_per_set_of_inputs_below_the_truth(self, head_slice, means):
        figure = subset_grid(head_slice[0], MODALITIES, means, subject="S7")
        assert len(pictures(figure)) == 4 * 3
        assert frames(figure) == 3 + 1, "the imputed ones"
        found = words(figure)
        assert found.count("given") == 1 + 3
        assert sum(text.endswith(" dB") for text in found) == 4
        for word in ("S7", "Truth", "T1Gd", "T1 +\nT2 +\nFLAIR", "L"):
            assert word in found
        assert png_bytes(figure).startswith(b"\x89PNG")

    def test_what_was_given_is_the_truth_dimmed(self, head_slice, means):
        figure = subset_grid(head_slice[0], MODALITIES, means)
        truth, given, imputed = (pictures(figure)[number].get_array().max() for number in (0, 4, 5))
        assert given == pytest.approx(0.4 * truth)
        assert imputed == pytest.approx(0.9 * 0.6)

    def test_nothing_to_show_is_said(self, head_slice):
        for draw in (lambda: subset_grid(head_slice[0], MODALITIES, {}),
                     lambda: doubt_grid(head_slice[0], MODALITIES, {}, {})):  # fmt: skip
            with pytest.raises(ValueError, match="nothing to show"):
                draw()


def test_errors_and_deviations_share_one_scale(head_slice, means):
    deviations = {name: np.full_like(images, 0.05) for name, images in means.items()}
    figure = doubt_grid(head_slice[0], MODALITIES, means, deviations, largest_error=0.2)
    maps = [image for image in pictures(figure) if image.get_cmap().name == "inferno"]
    maps = [image for image in maps if image.get_array().shape[0] > 2]  # not the scale
    assert len(maps) == 2 * 4
    assert {image.get_clim() for image in maps} == {(0, 0.2)}
    assert maps[0].get_array().max() == pytest.approx(0.1 * 0.6)
    assert maps[1].get_array().max() == pytest.approx(0.05)
    assert "|error| and standard deviation" in words(figure)
    assert png_bytes(figure).startswith(b"\x89PNG")


def test_latents_as_colours_are_named_by_what_was_given():
    image = np.random.default_rng(0).random((3, 12, 10))
    names = ("t1", "t2", "pd", "t1+t2", "t1+pd", "t2+pd", "t1+t2+pd")
    figure = latent_grid({"explained": np.array([0.6, 0.3, 0.1])} | dict.fromkeys(names, image), subject="S7")
    found = words(figure)
    for word in ("S7", "T1", "without T1", "without PD", "All contrasts"):
        assert word in found
    assert any("60, 30, 10 % of the variance" in text for text in found)
    assert len(pictures(figure)) == 7
    assert pictures(figure)[0].get_array().shape == (12, 10, 3)


def test_two_contrasts_have_one_row():
    images = dict.fromkeys(("t1", "t2", "t1+t2"), np.ones((3, 8, 8)))
    figure = latent_grid({"explained": np.zeros(3)} | images)
    assert len(pictures(figure)) == 3
