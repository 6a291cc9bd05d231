"""s3nn: spiking neural networks that run in one time step."""
