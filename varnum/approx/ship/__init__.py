"""Polynomials that ship: coefficients in float formats, every rounding counted, code with a proof.

`formats`: the formats, exactly; `goal`: what is approximated; `coefficient_error`: certified
error of given coefficients; `coefficient_lattice`, `best`: the best coefficients; `scheme`: the
operations of an evaluation; `total_error`: its error; `every_input`: all inputs of a half format;
`kernel`: all of it together.
"""
