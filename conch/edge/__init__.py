"""The edge: what Envoy in front of everything is told, rendered from settings, tenants and keys."""
