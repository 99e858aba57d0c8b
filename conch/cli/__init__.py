"""The conch command."""
