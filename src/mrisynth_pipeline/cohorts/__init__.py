"""Who is in the study: archive readers, the manifest, the split, and the built-in phantom cohort."""
