"""Which samples make up which batch, so that a resumed training sees what it would have seen."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class StepBatches(Sampler[list[tuple[int, int]]]):
    """Batches of ``(index, seed)`` for a fixed number of steps; batch k depends on (seed, k) alone.

    The stream runs through one random permutation of the items after the other. A resumed run starts at ``start`` and
    sees exactly the batches that it would have seen.

    Args:
        n_items: Length of the dataset.
        batch_size: Items per batch.
        steps: Batches of the whole training.
        seed: Seed of the stream.
        start: First batch to give out.
    """

    def __init__(self, n_items: int, batch_size: int, steps: int, seed: int, start: int = 0) -> None:
        self.n_items, self.batch_size, self.steps, self.seed, self.start = (
            n_items,
            batch_size,
            steps,
            seed,
            start,
        )

    def __len__(self) -> int:
        """Batches of the whole training: Lightning counts a resumed run's batches from its first start."""
        return self.steps

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """The batches from ``start`` on."""
        epoch, order = -1, np.empty(0, int)
        for step in range(self.start, self.steps):
            batch = []
            for position in range(step * self.batch_size, (step + 1) * self.batch_size):
                if position // self.n_items != epoch:
                    epoch = position // self.n_items
                    order = np.random.default_rng((self.seed, epoch)).permutation(self.n_items)
                draw = int(np.random.SeedSequence((self.seed, position)).generate_state(1)[0])
                batch.append((int(order[position % self.n_items]), draw))
            yield batch


def fixed_batches(n_items: int, batch_size: int, maximum: int) -> list[list[tuple[int, int]]]:
    """The same evenly spread items in every validation, in batches; each batch is a mixture of them.

    Args:
        n_items: Length of the dataset.
        batch_size: Items per batch.
        maximum: Most items to take.
    """
    chosen = np.linspace(0, n_items - 1, min(maximum, n_items)).astype(int)
    chosen = np.random.default_rng(0).permutation(chosen)  # the first batch is the one that is looked at
    return [[(int(i), 0) for i in chosen[at : at + batch_size]] for at in range(0, len(chosen), batch_size)]
