"""Where versions come from, beside the repository: each is brought into a folder that is watched as that is."""
