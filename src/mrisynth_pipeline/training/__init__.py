"""How a network learns: one Lightning module per kind of training, and one ``fit``."""
