"""Time series: what no single attention head can reach on given windows, and what lifts it.

Every statement is about heads with scalar values linear in the token, no value bias and no position
in the values: such a head outputs v c(x), c(x) between the window's least and largest token.
"""
