"""Any model that is loaded, asked with plain JSON."""
