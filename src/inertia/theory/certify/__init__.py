"""Worst cases over all smooth strongly convex functions: proofs that are re-checked exactly, and counterexamples."""
