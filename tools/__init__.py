"""What developers run by make: protocols, the breaking-change check, the new-model generator."""
