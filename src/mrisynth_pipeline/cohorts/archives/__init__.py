"""What is on disk: one reader per archive layout, and how an archive gets there."""
