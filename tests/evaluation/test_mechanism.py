"""The probe shifts what it says it shifts, and reports the offsets of the layers that have them."""

import pytest
import torch

from mrisynth_pipeline.evaluation.mechanism import MechanismParameters, probe_offsets
from mrisynth_pipeline.models.aginet import AGINet

CONTRASTS = ("t1", "t2", "pd")
FEW = MechanismParameters(largest_shift=3.0, slices=2, shifts=2)


def network(**architecture) -> AGINet:
    torch.manual_seed(0)
    return AGINet(CONTRASTS, {"widths": (4, 8), **architecture}).eval()


@pytest.fixture(scope="module")
def table(brains):
    return probe_offsets(network(), brains, ["anna", "bert"], FEW)


def test_every_case_has_every_group_of_every_layer(table):
    layers = list(network().adaptive_layers())
    cases = 2 * 3 * 2  # slices, moved contrasts, shifts
    groups = 3 + 4 * (len(layers) - 1)  # the stem has one per contrast
    assert len(table) == 2 * cases * groups
    assert set(table["layer"]) == set(range(len(layers)))
    assert not table.duplicated(["subject", "case", "layer", "group"]).any()
    assert table.groupby("moved").size().nunique() == 1, "every contrast is moved as often"


def test_shifts_are_within_bounds_the_same_for_all_layers_and_those_of_the_seed(table, brains):
    shifts = table[["shift_y", "shift_x"]]
    assert (shifts.abs() <= 3.0).all(axis=None)
    assert (table.groupby(["subject", "case"])[["shift_y", "shift_x", "moved"]].nunique() == 1).all(axis=None)
    again = probe_offsets(network(n_groups=2), brains, ["anna", "bert"], FEW)
    key = ["subject", "case", "moved", "shift_y", "shift_x"]
    assert again[key].drop_duplicates().to_numpy().tolist() == table[key].drop_duplicates().to_numpy().tolist()
    other = probe_offsets(network(), brains, ["anna"], FEW.model_copy(update={"seed": 1}))
    assert set(other["shift_y"]).isdisjoint(table["shift_y"])


def test_the_network_gets_one_shifted_input_and_one_missing(brains, monkeypatch):
    seen = []
    method = network()
    original = method.offsets

    def offsets(images, available):
        seen.extend(zip(images, available, strict=True))
        return original(images, available)

    monkeypatch.setattr(method, "offsets", offsets)
    table = probe_offsets(method, brains, ["anna"], FEW)
    volumes = torch.from_numpy(brains.open("anna").volumes())
    moved = table.drop_duplicates("case")["moved"].tolist()
    assert len(seen) == len(moved)
    for (images, available), channel in zip(seen, moved, strict=True):
        assert available.sum() == 2
        assert available[channel]
        still = [c for c in range(3) if any(torch.equal(images[c], piece) for piece in volumes[c])]
        assert still == [c for c in range(3) if c != channel]


def test_offsets_of_the_stem_are_those_of_the_network(table, brains):
    stem = table[table["layer"] == 0]
    assert (stem[["offset_y", "offset_x"]].abs() < 1).all(axis=None)
    assert stem["offset_y"].nunique() > 3
    frozen = probe_offsets(network(rolling="frozen"), brains, ["anna"], FEW)
    assert (frozen[["offset_y", "offset_x"]] == 0).all(axis=None)


def test_any_grid_will_do(brains):
    """Slices of 48×40 are padded to what five levels divide."""
    deep = AGINet(CONTRASTS, {"widths": (4,) * 6}).eval()
    assert len(probe_offsets(deep, brains, ["anna"], FEW.model_copy(update={"slices": 1, "shifts": 1})))
