"""What pages on variants of a method, each trained with several seeds, have in common."""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt

from matplotlib.axes import Axes

from mrisynth_pipeline.metrics.comparison import SIGNIFICANCE
from mrisynth_pipeline.reporting.style import INK, METHOD_COLOURS, method_label
from mrisynth_pipeline.reporting.table import number, p_relation

SEED_NOTE = "SD of seeds: standard deviation of the mean PSNR between trainings."

ONE_SEED = "With one seed it is not known how much chance in training does."


def answer(summary: Mapping, test: Mapping, first: str, second: str, *, corrected: bool = False) -> list[str]:
    """Is one variant better than another? The answer, as it falls, and what casts doubt on it.

    A difference is claimed only if the subjects agree on it and it is larger than what chance in training does.

    Args:
        summary: Holds ``seeds`` (number) and ``seed_sd`` (per variant).
        test: An entry of :func:`~mrisynth_pipeline.metrics.comparison.compare_methods` on PSNR.
        first: The first variant's name inside a sentence.
        second: The second's.
        corrected: Judge by the p-value that is corrected for all comparisons made; else this is the one question that
            was asked beforehand.
    """
    p, how = (test["p_holm"], "Holm") if corrected else (test["p"], "one question asked beforehand")
    gain, chance = test["mean_difference"], chance_of_training(summary, test["first"], test["second"])
    evidence = f"dB PSNR inside the brain, n = {count(test['n'], 'subject')}, {count(summary['seeds'], 'seed')}"
    if p <= SIGNIFICANCE and chance is not None and abs(gain) > chance:
        better = "better" if gain > 0 else "worse"
        outcome = f"{_sentence(first)} is {better} than {second} by {number(abs(gain), 2)} {evidence}"
    else:
        outcome = f"No difference between {first} and {second} can be shown: {number(gain, 2)} {evidence}"
    doubts = notes_of([test])
    if chance is None:
        doubts.append(ONE_SEED)
    elif p <= SIGNIFICANCE and abs(gain) <= chance:
        doubts.append(
            f"The subjects agree, but so large a difference is nothing unusual between trainings of one and the same "
            f"network: by chance of the seeds alone the two means may differ by {number(chance, 2)} dB."
        )
    return [f"{outcome} (Wilcoxon p {p_relation(p)}, {how}).", *doubts]


def chance_of_training(summary: Mapping, *variants: str) -> float | None:
    """Two standard errors of the difference between the seeds' means; ``None`` with one seed."""
    if summary["seeds"] < 2:
        return None
    return 2.0 * sqrt(sum(summary["seed_sd"][name] ** 2 for name in variants) / summary["seeds"])


def draw_trainings(
    axes: Axes, psnr: Mapping[str, Mapping], seed_means: Mapping[str, Sequence[float]], marked: str
) -> None:
    """Every variant's trainings as rings, their mean with its interval over subjects beside; a row each.

    Args:
        axes: Where to.
        psnr: Variant → mean over subjects in dB, ``mean``, with its interval, ``ci_low`` and ``ci_high``.
        seed_means: Variant → mean of each seed in dB.
        marked: The variant in a colour of its own.
    """
    for row, name in enumerate(seed_means):
        found, means = psnr[name], seed_means[name]
        colour = METHOD_COLOURS[0 if name == marked else 1]
        if found["ci_low"] is not None:
            axes.plot([found["ci_low"], found["ci_high"]], [row, row], color=colour, lw=1.2)
        axes.plot(found["mean"], row, "o", color=colour, ms=4.5)
        axes.plot(means, [row] * len(means), "o", mfc="none", mec=INK, ms=6.5, mew=0.7)
    axes.set_yticks(range(len(seed_means)), [method_label(name) for name in seed_means])
    axes.set_ylim(len(seed_means) - 0.4, -0.6)
    axes.set_xlabel("PSNR inside the brain (dB)")
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def notes_of(tests: Iterable[Mapping]) -> list[str]:
    """What tests say of themselves, as sentences, each once."""
    return list(dict.fromkeys(f"{_sentence(test['note'])}." for test in tests if test["note"]))


def count(number_of: int, noun: str) -> str:
    """``1 seed`` or ``3 seeds``."""
    return f"{number_of} {noun}{'' if number_of == 1 else 's'}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
