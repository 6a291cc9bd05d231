"""Whole experiments: train a run and measure it, compare it with its twins, use what was trained."""
