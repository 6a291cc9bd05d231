"""The parts of ``benchmarks/training.py``: rows, parity, timing, memory, claims, page."""
