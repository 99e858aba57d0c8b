"""What each served model does: arrays in, arrays out, no Triton."""
