"""Between Triton's python back end and our models."""
