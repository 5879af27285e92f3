"""The one error for bad input: it names where, what is wrong, and what to do."""

from pathlib import Path


class InputError(ValueError):
    """Something the user handed in cannot be used.

    Args:
        where: The file, folder, subject or parameter at fault.
        problem: What is wrong with it, and what was expected.
        remedy: What the user can do about it.
    """

    def __init__(self, where: str | Path, problem: str, remedy: str) -> None:
        super().__init__(where, problem, remedy)  # all arguments kept: the error must cross process pools
        self.where, self.problem, self.remedy = str(where), problem, remedy

    def __str__(self) -> str:
        """One line: where, problem, remedy."""
        return f"{self.where}: {self.problem}. {self.remedy}"
