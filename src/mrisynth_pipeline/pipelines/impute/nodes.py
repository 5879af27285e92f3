"""Own scans in, imputed contrasts out."""

import logging

import pandas as pd

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imputing.orders import carry_out, outcome_table, understand
from mrisynth_pipeline.imputing.outcomes import FAILED
from mrisynth_pipeline.imputing.own_scans import OwnSubject
from mrisynth_pipeline.imputing.parameters import ImputeParameters

logger = logging.getLogger(__name__)


def impute_own_scans(parameters: ImputeParameters) -> pd.DataFrame:
    """Impute what the subjects of a folder lack; images, sidecars and pages go into ``impute.output``.

    Returns:
        One row per subject; see :func:`~mrisynth_pipeline.imputing.orders.outcome_table`.

    Raises:
        InputError: No input or output is named, the model cannot be used, nothing can be written, or everyone failed.
    """
    if parameters.input is None or parameters.output is None:
        remedy = "kedro run --pipelines impute --params impute.input=FOLDER,impute.output=FOLDER"
        raise InputError("impute", "which scans are meant, and where the results go, has not been said", remedy)
    subjects, order = understand(parameters)
    outcomes = carry_out(subjects, order, _announce)
    failed = [outcome for outcome in outcomes if outcome.status == FAILED]
    if len(failed) == len(outcomes):
        reasons = "; ".join(f"{outcome.subject}: {outcome.reason}" for outcome in failed[:3])
        raise InputError(parameters.input, f"all {len(failed)} subjects failed: {reasons}", "Mend these and run again")
    return outcome_table(outcomes)


def _announce(number: int, of: int, subject: OwnSubject) -> None:
    logger.info("Subject %d of %d: %s, with %s", number, of, subject.subject, ", ".join(subject.scans))
