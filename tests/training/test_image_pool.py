"""The pool keeps the newest real images of each modality and nothing that was not there."""

import torch

from mrisynth_pipeline.training.image_pool import ImagePool

SIZE = (4, 6)


def images_of(*values: float) -> torch.Tensor:
    """One sample per value; the second modality holds the value plus a half."""
    first = torch.tensor(values)[:, None, None, None].expand(-1, 1, *SIZE)
    return torch.cat([first, first + 0.5], 1)


def shown(pool: ImagePool, channel: int) -> set[float]:
    drawn = pool.draw(channel, 200, torch.Generator().manual_seed(0))
    return {round(float(value), 3) for value in drawn.mean((1, 2, 3))}


def test_draws_are_what_was_added_of_that_modality_and_was_there():
    pool = ImagePool(2, 8, SIZE)
    pool.add(images_of(0.1, 0.2, 0.3), torch.tensor([[True, False], [True, True], [False, False]]))
    assert shown(pool, 0) == {0.1, 0.2}
    assert shown(pool, 1) == {0.7}


def test_the_oldest_make_room():
    pool = ImagePool(2, 2, SIZE)
    for value in (0.1, 0.2, 0.3):
        pool.add(images_of(value), torch.tensor([[True, False]]))
    assert shown(pool, 0) == {0.2, 0.3}


def test_of_a_modality_that_nobody_had_nothing_is_drawn():
    assert len(ImagePool(2, 2, SIZE).draw(1, 3, torch.Generator())) == 0


def test_it_travels_with_the_checkpoint():
    pool, other = ImagePool(2, 4, SIZE), ImagePool(2, 4, SIZE)
    pool.add(images_of(0.1, 0.2), torch.ones(2, 2, dtype=torch.bool))
    other.load_state_dict(pool.state_dict())
    assert shown(other, 1) == shown(pool, 1)
