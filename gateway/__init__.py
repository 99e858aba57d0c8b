"""gRPC and HTTP in, answers out: the process between the edge and Triton."""
