"""The waist of the library: what a network is, once the training framework is out of the way."""
