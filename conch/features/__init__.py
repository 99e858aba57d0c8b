"""Features made ready to be read: documented values packed, and the snapshot of a host."""
