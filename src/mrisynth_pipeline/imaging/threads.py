"""How many threads ITK uses."""

from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)


@contextmanager
def one_itk_thread() -> Iterator[None]:
    """ITK on one thread while the block (or the decorated function) runs, then back to what it was.

    Several threads add up their parts of a metric in varying order, and an optimiser turns the last digit
    into another transform. Subjects are the unit of parallelism: processes, not threads, use the cores.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
