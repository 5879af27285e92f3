"""Signal equations: what a pulse sequence measures of proton density, T1 and T2. All times in milliseconds."""

from dataclasses import dataclass, replace

import numpy as np

Values = np.ndarray | float


@dataclass(frozen=True)
class SpinEcho:
    r"""Spin echo (also turbo spin echo at its effective echo time).

    .. math:: S = PD\,(1 - e^{-TR/T_1})\,e^{-TE/T_2}
    """

    repetition_ms: float
    echo_ms: float

    def signal(self, density: Values, t1_ms: Values, t2_ms: Values) -> Values:
        """Signal in units of the proton density, for arrays or numbers of one shape."""
        return density * (1.0 - np.exp(-self.repetition_ms / t1_ms)) * np.exp(-self.echo_ms / t2_ms)


@dataclass(frozen=True)
class InversionRecovery:
    r"""Magnitude inversion recovery: FLAIR at a long inversion time, T1 weighting at a short one.

    .. math:: S = PD\,|1 - 2e^{-TI/T_1} + e^{-TR/T_1}|\,e^{-TE/T_2}
    """

    repetition_ms: float
    inversion_ms: float
    echo_ms: float

    def signal(self, density: Values, t1_ms: Values, t2_ms: Values) -> Values:
        """Signal in units of the proton density, for arrays or numbers of one shape."""
        recovery = 1.0 - 2.0 * np.exp(-self.inversion_ms / t1_ms) + np.exp(-self.repetition_ms / t1_ms)
        return density * np.abs(recovery) * np.exp(-self.echo_ms / t2_ms)


@dataclass(frozen=True)
class SpoiledGradientEcho:
    r"""Spoiled gradient echo (FLASH, SPGR) in the steady state.

    .. math:: S = PD\,\sin\alpha\,\frac{1 - e^{-TR/T_1}}{1 - \cos\alpha\,e^{-TR/T_1}}\,e^{-TE/T_2}

    T2 stands in for T2*, which the phantom does not model; the echo is so short that it hardly matters.
    """

    repetition_ms: float
    flip_deg: float
    echo_ms: float

    def signal(self, density: Values, t1_ms: Values, t2_ms: Values) -> Values:
        """Signal in units of the proton density, for arrays or numbers of one shape."""
        flip = np.deg2rad(self.flip_deg)
        decay = np.exp(-self.repetition_ms / t1_ms)
        steady = np.sin(flip) * (1.0 - decay) / (1.0 - np.cos(flip) * decay)
        return density * steady * np.exp(-self.echo_ms / t2_ms)


Sequence = SpinEcho | InversionRecovery | SpoiledGradientEcho


def null_inversion_ms(t1_ms: float, repetition_ms: float) -> float:
    """Inversion time at which tissue of this T1 gives no signal: TI = T1 ln(2 / (1 + exp(-TR/T1)))."""
    return t1_ms * float(np.log(2.0 / (1.0 + np.exp(-repetition_ms / t1_ms))))


def shortened_t1_ms(t1_ms: Values, concentration_mm: Values, relaxivity: float = 4.5) -> Values:
    """T1 with contrast agent: 1/T1' = 1/T1 + r1 C.

    Args:
        t1_ms: T1 without contrast agent.
        concentration_mm: Gadolinium concentration in mmol/L.
        relaxivity: r1 in L/(mmol s); about 4.5 for gadobutrol at 3 T (Rohrer et al. 2005).

    Returns:
        The shortened T1 in ms.
    """
    return 1.0 / (1.0 / t1_ms + relaxivity * concentration_mm / 1000.0)


def jittered(sequence: Sequence, generator: np.random.Generator, share: float) -> Sequence:
    """The sequence with every timing (and flip angle) scaled by its own factor in 1 ± ``share``."""
    names = sorted(vars(sequence))
    factors = generator.uniform(1.0 - share, 1.0 + share, len(names))
    return replace(sequence, **{n: getattr(sequence, n) * f for n, f in zip(names, factors, strict=True)})
