"""How our processes call other servers."""
