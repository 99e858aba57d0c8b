"""Jobs that read a whole catalogue: relations between its goods by what their titles mean."""
