"""What happens to a volume: orientation, registration, masks, intensity, and the per-subject file."""
