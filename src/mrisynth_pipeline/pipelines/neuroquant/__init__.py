"""NeuroQuant (arXiv 2604.05171)."""
