"""Which methods the default run judges. A method is judged by the catalog name of its model: ``{method}.model``."""

TRAINED = ("codebrain",)
"""Methods with a training of their own."""
BASELINES = ("linear", "mean")
"""Fitted in one pass over the training subjects; always in the table."""
METHODS = TRAINED + BASELINES
"""In the order of tables and figures."""
SKIPPED = "skipped"
"""Key under which cards and summaries say why there is no downstream segmentation."""
