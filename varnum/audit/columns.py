"""The columns of the report: what a field of a row is called."""

from __future__ import annotations

# (field, title) of the table of heads
HEADS = (
    ("M_apriori", "M a priori"), ("M", "M measured"), ("spread", "centred spread"),
    ("dimension", "effective d"), ("degree_apriori", "degree"), ("rank_apriori", "rank a priori"),
    ("degree_spread", "degree at spread"), ("rank_spread", "rank at spread"),
    ("rank_certified", "rank, kernel certified"), ("rank_lower", "lower bound of it"),
    ("rank_reference", "reference"), ("rank_output", "rank, output compared"),
    ("rows_exact", "rows run exactly"), ("rank_attention", "rank, varnum attention"),
    ("rows_attention", "its exact rows"), ("error_attention", "its error"),
    ("ops_exact", "ops exact"), ("ops_apriori", "ops a priori"),
    ("ops_certified", "ops, kernel"), ("ops_output", "ops, output"), ("cache", "cache"),
    ("state_apriori", "state a priori"), ("state_certified", "state, kernel"),
    ("state_output", "numbers kept, output"), ("error_exact", "error, exact"),
    ("error_apriori", "error, a priori"), ("error_certified", "error, kernel"),
    ("error_output", "error, output"), ("n_apriori", "a priori pays from n"),
    ("n_certified", "from n, kernel, rank fixed"), ("n_output", "from n, output, rank fixed"),
    ("cap", "cap |logit|"), ("d_max", "d at most"),
)  # fmt: skip
# (field, title, field whose assurance it has) of the scales of one head
SCALES = (
    ("side", "side", None), ("tokens", "tokens", None), ("prefix", "keys", None),
    ("M", "M measured", "M"), ("spread", "centred spread", "spread"),
    ("degree_spread", "degree at spread", "degree_spread"),
    ("rank_certified", "rank, kernel", "rank_certified"), ("pivots", "pivots", "pivots"),
    ("rank_lower", "lower bound", "rank_lower"), ("rank_reference", "reference", "rank_reference"),
    ("rank_output", "rank, output", "rank_output"), ("rows_exact", "rows exact", "rows_exact"),
    ("error_output", "error, output", "error_output"),
    ("ops_exact", "ops exact", "ops_exact"), ("ops_certified", "ops, kernel", "ops_certified"),
    ("ops_output", "ops, output", "ops_output"), ("cache", "cache", "cache"),
    ("state_certified", "state, kernel", "state_certified"),
    ("pays_certified", "kernel pays", "pays_certified"),
)  # fmt: skip
