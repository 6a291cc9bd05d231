"""The compiled form: a network's integer graph as C, and a handle on it.  No torch in here."""
