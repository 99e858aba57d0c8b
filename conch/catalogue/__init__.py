"""Catalogues: brought in from files, or made up for a demo, a test or a benchmark."""
