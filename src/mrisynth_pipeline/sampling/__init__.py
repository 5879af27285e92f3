"""How batches are drawn from subject files: slices, availability subsets, augmentation."""
