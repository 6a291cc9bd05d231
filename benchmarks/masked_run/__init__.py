"""What benchmarks/masked.py is made of."""
