"""One scenario per file; results are JSON under results/."""
