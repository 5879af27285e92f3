"""How a model leaves the house: packages, archives, registry, MONAI bundle and graphs; and how one is found again."""
