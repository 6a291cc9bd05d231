"""The runtimes that a user would run in place of a compiled spiking network, and a clock."""
