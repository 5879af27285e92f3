import numpy as np
import pytest

from mrisynth_pipeline.cohorts.phantom.sequences import PROTOCOLS
from mrisynth_pipeline.cohorts.phantom.signal import (
    InversionRecovery,
    SpinEcho,
    SpoiledGradientEcho,
    jittered,
    null_inversion_ms,
    shortened_t1_ms,
)
from mrisynth_pipeline.cohorts.phantom.tissue import TISSUES

WHITE = (0.70, 850.0, 75.0)


@pytest.mark.parametrize(
    ("sequence", "by_hand"),
    [
        # 0.7 * (1 - e^(-600/850)) * e^(-10/75) = 0.7 * 0.506326 * 0.875173
        (SpinEcho(600.0, 10.0), 0.310184),
        # 0.7 * |1 - 2 e^(-1000/850) + e^(-2000/850)| * e^(-4/75) = 0.7 * |1 - 0.616734 + 0.095090| * 0.948064
        (InversionRecovery(2000.0, 1000.0, 4.0), 0.3174604),
        # 0.7 * sin(20) * (1 - E) / (1 - cos(20) E) * e^(-4/75), E = e^(-10/850) = 0.988304
        (SpoiledGradientEcho(10.0, 20.0, 4.0), 0.0372340),
    ],
)
def test_signal_equations_give_the_values_worked_out_by_hand(sequence, by_hand):
    assert sequence.signal(*WHITE) == pytest.approx(by_hand, rel=1e-4)


def test_magnitude_inversion_recovery_is_never_negative():
    assert InversionRecovery(2000.0, 300.0, 4.0).signal(1.0, 1500.0, 80.0) > 0


def test_flair_of_the_protocol_nulls_csf_and_keeps_oedema_brightest():
    flair = PROTOCOLS["brats"][""].scans["flair"].sequence

    def signal(name):
        tissue = TISSUES[name]
        return flair.signal(tissue.density, tissue.t1_ms, tissue.t2_ms)

    assert signal("csf") < 1e-6
    assert signal("oedema") > 1.2 * signal("grey") > 1.2 * signal("white") > 0.05


def test_null_inversion_time_nulls_at_any_repetition_time():
    for repetition in (5000.0, 9000.0, 15000.0):
        inversion = null_inversion_ms(4000.0, repetition)
        assert InversionRecovery(repetition, inversion, 100.0).signal(1.0, 4000.0, 1500.0) == pytest.approx(0, abs=1e-9)


def test_contrast_agent_shortens_t1_by_its_relaxivity():
    # 1/1000 + 4.5 * 0.2 / 1000 = 1.9 per second
    assert shortened_t1_ms(1000.0, 0.2) == pytest.approx(1000 / 1.9)


def test_gadolinium_brightens_the_enhancing_rim_alone_among_tumour_and_brain():
    scan = PROTOCOLS["brats"][""].scans["t1c"]

    def gain(name):
        tissue = TISSUES[name]
        before = scan.sequence.signal(tissue.density, tissue.t1_ms, tissue.t2_ms)
        t1 = shortened_t1_ms(tissue.t1_ms, tissue.gadolinium_mm)
        return scan.sequence.signal(tissue.density, t1, tissue.t2_ms) / before

    assert scan.contrast_agent
    assert gain("enhancing") > 1.8
    for name in ("grey", "white", "oedema", "necrosis", "tumour"):
        assert gain(name) < 1.15


def test_jitter_keeps_every_timing_within_its_share():
    nominal = InversionRecovery(9000.0, 2400.0, 120.0)
    other = jittered(nominal, np.random.default_rng(0), 0.05)
    assert other != nominal
    for name, value in vars(other).items():
        assert abs(value / getattr(nominal, name) - 1) <= 0.05
