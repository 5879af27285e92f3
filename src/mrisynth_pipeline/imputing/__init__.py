"""What happens to a lab's own scans: missing contrasts imputed, taken back, doubted, and written down."""
