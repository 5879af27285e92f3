"""The built-in cohort: a physics-based digital brain phantom."""
