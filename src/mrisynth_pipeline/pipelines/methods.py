"""The methods that are judged. A method is judged by the catalog name of its model: ``{method}.model``."""

TRAINED = ("codebrain", "neuroquant", "resunet", "aginet", "mmhvae")
"""Methods with a training of their own."""
GENERATIVE = ("mmhvae",)
"""Those whose samples are examined on their own (:func:`.uncertainty.uncertainty_template`); others draw, too."""
BASELINES = ("linear", "mean")
"""Fitted in one pass over the training subjects; always in the table."""
METHODS = TRAINED + BASELINES
"""All, in the order of tables and figures: those that have been trained and scored stand in the report."""
SKIPPED = "skipped"
"""Key under which cards and summaries say why there is no downstream segmentation."""
