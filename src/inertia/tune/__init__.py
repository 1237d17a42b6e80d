"""Measured spectrum in, learning rate and momentum out, verified by few real runs."""
