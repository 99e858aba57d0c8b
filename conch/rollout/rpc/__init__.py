"""The face of publishing for other machines: conch.models.v1.Models over gRPC, on loopback, behind the edge."""
