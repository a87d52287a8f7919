"""The audit of attention calls: of any torch model, or of arrays from a file."""
