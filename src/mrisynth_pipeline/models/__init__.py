"""What a network is: blocks, one file per paper, the baselines, and the one door ``impute``."""
