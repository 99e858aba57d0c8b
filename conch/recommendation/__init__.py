"""The rules of recommendation, without stores and without Triton: scenarios, scores, ranking, reasons."""
