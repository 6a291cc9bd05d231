"""What benchmarks/brp.py is made of."""
