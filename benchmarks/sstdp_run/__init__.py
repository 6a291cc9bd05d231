"""What the study of spike times is made of."""
