"""Stage I with the true codes is asked like a method, and its codes are counted."""

import pytest
import torch

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.evaluation.true_codes import TrueCodes
from mrisynth_pipeline.models.codebrain import CodeBrainAutoencoder

SMALL = {"posterior_width": 4, "common_width": 4, "decoder_width": 4, "depth": 1}
VECTORS = SMALL | {"quantiser": "vq", "codebook_size": 16, "codebook_dim": 5}


@pytest.mark.parametrize("sizes", [SMALL, VECTORS], ids=["fsq", "vq"])
def test_it_decodes_the_codes_of_the_complete_stack_beside_what_is_available(sizes):
    torch.manual_seed(0)
    network = CodeBrainAutoencoder(3, sizes)
    network.learn(torch.rand(2, 3, 16, 16), torch.ones(2, 3, dtype=torch.bool))  # a codebook starts from features
    network.eval()
    volumes, available = torch.rand(3, 5, 16, 24), torch.tensor([True, False, True])
    volumes[:, 0] = 0  # beyond the head
    true_codes = TrueCodes(network, EvaluationParameters(batch_size=3))
    made = true_codes(volumes, available)
    slices = volumes[:, 1:].transpose(0, 1)
    with torch.inference_mode():
        values = network.encode(slices)
        expected = network.decode(values, slices, available.expand(4, -1)).clamp(0, 1)
    torch.testing.assert_close(made[:, 1:].transpose(0, 1), expected)
    assert not made[:, 0].any()
    codes = network.codes
    indices = codes.to_indices(codes.to_levels(values)).flatten()
    assert torch.equal(true_codes.counts, torch.bincount(indices, minlength=codes.codebook_size))
    true_codes(volumes, available)
    assert true_codes.counts.sum() == 2 * 4 * 2 * 3, "every subset that is asked for counts"
