"""What happens to a lab's own scans: what was handed in, what can be imputed of it."""
