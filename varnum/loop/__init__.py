"""Looped networks x -> g(W x + b): every fixed point, proved.

`net`, `activations`: the network; `closed_orthants`, `coordinates`: 2^d fixed points at once, for
any d; `count`: all fixed points in a box or in R^d, exactly; `loop_certificate`: one fixed point
with its ball of attraction; `block`: the looped transformer; `leave`: when the loop may stop.
"""
