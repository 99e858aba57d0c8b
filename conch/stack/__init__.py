"""The embedded stack: real servers on one machine, one supervisor."""
