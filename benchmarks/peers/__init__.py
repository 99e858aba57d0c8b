"""Other people's servers, serving the same files, each in an environment of its own."""
