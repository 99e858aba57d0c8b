"""Models that are loaded when they are called, and unloaded for others under a bound of memory."""
