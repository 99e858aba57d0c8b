"""What the processes agree on: specs of models, errors, metric names, wire types."""
