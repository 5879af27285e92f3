"""Codes drawn from what a predictor says of them: one uniform number per code gives one draw, at any temperature.

A temperature divides the logits: 1 is the predictor's own belief, and towards 0 the likeliest answer takes all.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def draw_level(
    questions: Float[Tensor, "batch question *spatial"], uniform: Float[Tensor, "batch *spatial"], temperature: float
) -> Int[Tensor, "batch *spatial"]:
    """A level from the L − 1 ordered questions "is the level above k?": how many are answered yes.

    All questions are answered by the *same* uniform number, yes where it is below the sigmoid of the logit. Each yes is
    then as likely as the predictor says it is, and where the answers contradict each other (P(above k) rises with k,
    which nothing in an independent training forbids) the count is a draw from the probabilities sorted into order: the
    rearrangement of Chernozhukov, Fernández-Val and Galichon (Econometrica 78, 2010), which is never farther from the
    true distribution than what was sorted. Answers that are drawn one by one would be as right on average, but levels
    0 and L − 1 at even odds would become something between.

    Args:
        questions: Logits.
        uniform: In (0, 1).
        temperature: 0 gives the number of positive logits, which is the median of the distribution.
    """
    return (questions > temperature * torch.logit(uniform, eps=1e-6)[:, None]).sum(1)


def draw_class(
    classes: Float[Tensor, "batch class *spatial"], uniform: Float[Tensor, "batch *spatial"], temperature: float
) -> Int[Tensor, "batch *spatial"]:
    """A class from the softmax over classes, by its inverse distribution function.

    Args:
        classes: Logits.
        uniform: In (0, 1).
        temperature: 0 gives the likeliest class.
    """
    if temperature == 0:
        return classes.argmax(1)
    # Double precision: over thousands of classes float32 adds up to less than the largest uniform number.
    reached = (classes.double() / temperature).softmax(1).cumsum(1)
    return (reached < uniform[:, None]).sum(1).clamp(max=classes.shape[1] - 1)
