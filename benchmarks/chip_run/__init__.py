"""What benchmarks/chip.py is made of."""
