"""How a method is judged: the harness that knows it only through ``impute(images, available)``."""
