"""Inference of a compiled spiking network beside the runtimes that a ReLU network would run in."""
