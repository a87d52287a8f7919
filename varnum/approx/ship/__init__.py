"""Polynomials that ship: coefficients in float formats, every rounding counted, code with a proof.

`formats`: the formats, exactly; `goal`: what is approximated; `error`: certified error of given
coefficients; `lattice`, `best`: the best coefficients; `scheme`: the operations of an evaluation;
`rounding`: its total error; `inputs`: all inputs of a half format; `kernel`: all of it together.
"""
