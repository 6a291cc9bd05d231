"""Training: Lightning's loop around a model, its data and its log."""
