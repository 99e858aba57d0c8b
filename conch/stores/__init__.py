"""Where features and facts are kept."""
