"""The spread of any method: its own draws where it has them, else its answers to changed inputs, each put back."""

import pytest
import torch

from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainArchitecture
from mrisynth_pipeline.models.door import Imputer, sample_volume
from mrisynth_pipeline.models.doubt import CHANGES, Change, spread_volume

MODALITIES = ("t1", "t2", "pd")
AVAILABLE = torch.tensor([True, False, True])


class Everywhere(Imputer):
    """Gives a function of the first contrast; ``where`` is the place at which it is asked (x from 0 to 1)."""

    name = "everywhere"

    def __init__(self, function, spatial_dims=2):
        super().__init__(MODALITIES, spatial_dims)
        self.function = function

    def predict(self, images, available):
        where = torch.linspace(0, 1, images.shape[-1]).expand_as(images)
        return self.function(images[:, :1], where).expand_as(images)


def head() -> torch.Tensor:
    volumes = torch.zeros(3, 4, 16, 20)
    volumes[:, 1:, 4:-4, 4:-4] = 0.1 + 0.8 * torch.rand(3, 3, 8, 12)
    return volumes


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_changes_are_undone(change):
    volumes = head()
    torch.testing.assert_close(change.undo(change.apply(volumes)), volumes**change.gamma)


def test_no_two_changes_are_alike():
    assert len(set(CHANGES)) == len(CHANGES) == 8
    assert CHANGES[0] == Change()


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_method_that_no_change_moves_has_no_spread(spatial_dims):
    spread = spread_volume(Everywhere(lambda first, _: (first > 0) * 0.5, spatial_dims), head(), AVAILABLE)
    assert (spread == 0).all()


def test_a_method_that_depends_on_the_place_scatters_where_it_imputes():
    method = Everywhere(lambda first, where: where * (first > 0))
    volumes = head()
    spread = spread_volume(method, volumes, AVAILABLE)
    assert (spread[AVAILABLE] == 0).all()
    inside = volumes[0] > 0
    assert (spread[1][inside] > 0).all()
    answers = torch.stack([torch.linspace(0, 1, 20), torch.linspace(1, 0, 20)]).std(0)
    two = spread_volume(method, volumes, AVAILABLE, n_samples=2)
    torch.testing.assert_close(two[1], answers.expand_as(two[1]) * inside)


def test_missing_channels_are_never_looked_at():
    volumes = head()
    peeked = volumes.clone()
    peeked[1] = torch.nan
    method = Everywhere(lambda first, where: where * first)
    assert torch.equal(spread_volume(method, volumes, AVAILABLE), spread_volume(method, peeked, AVAILABLE))


def test_draws_come_first_where_there_are_any(doubtful):
    method, volumes = doubtful(MODALITIES), head()
    expected = sample_volume(method, volumes, AVAILABLE, 1.0, 5, seed=3)[1]
    assert torch.equal(spread_volume(method, volumes, AVAILABLE, n_samples=5, seed=3), expected)


def test_a_method_without_distribution_as_it_is_built_is_changed_instead():
    torch.manual_seed(0)
    small = {"posterior_width": 4, "common_width": 4, "decoder_width": 4, "depth": 1, "quantise": False}
    method = CodeBrain(MODALITIES, CodeBrainArchitecture(**small)).eval()
    volumes = head()
    spread = spread_volume(method, volumes, AVAILABLE, n_samples=3, seed=0)
    assert spread[1].max() > 0
    assert torch.equal(spread, spread_volume(method, volumes, AVAILABLE, n_samples=3, seed=1)), "no chance in it"


def test_one_answer_is_no_spread(doubtful):
    for method in (doubtful(MODALITIES), Everywhere(lambda first, _: first)):
        with pytest.raises(ValueError, match="n_samples >= 2"):
            spread_volume(method, head(), AVAILABLE, n_samples=1)
