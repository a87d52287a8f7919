"""Audit a model: head by head, does low-rank attention pay, and how do we know?

Read `head` for what is asked of one head, `measure` for its logits, `stream` for how a model is run
one layer at a time, `work` for the workers, `rows` for the file, `summary` and `report` for people.
"""
