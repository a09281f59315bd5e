"""Places that models are fetched from, behind one protocol."""
