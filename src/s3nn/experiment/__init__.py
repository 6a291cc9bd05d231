"""Whole experiments: train and measure a run, compare it with its twins, open it again."""
