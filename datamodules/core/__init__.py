"""What the data modules of every task share.."""
