"""Audit a model: head by head, does low-rank attention pay, and how do we know?

Read `fields` for the figures, `head_audit` for what is asked of one head, `measure` for its
logits, `options` for what it could run instead, `layer_run` for how a model is run one layer at a
time, `executor` for the workers, `row_file` for the file, `summary` and `page` for people.
"""
