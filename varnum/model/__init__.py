"""VAR and the paper's continuous model, written once for NumPy, torch and ball arrays."""
