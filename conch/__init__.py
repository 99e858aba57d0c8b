"""Conch: an inference serving platform with Triton at its centre."""
