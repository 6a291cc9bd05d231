"""What benchmarks/spiden.py is made of."""
