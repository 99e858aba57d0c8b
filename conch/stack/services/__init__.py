"""The services of the embedded stack: one file each, and the list of them all in registry.py."""
