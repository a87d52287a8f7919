"""Pictures of the answers: one module each, with `numbers` (plain data) and `draw` (a figure).

The numbers come from the functions behind the other verbs; `varnum plot NAME --json` shows them.
"""
