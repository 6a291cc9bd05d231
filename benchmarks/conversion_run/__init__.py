"""What benchmarks/conversion.py is made of."""
