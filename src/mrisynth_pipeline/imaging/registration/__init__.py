"""How the head lies in other scans: searched for, measured, doubted, written down."""
