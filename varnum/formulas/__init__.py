"""Every closed form once, as sympy objects, printed to balls, exact rationals and SMT-LIB.

`core` holds the Formula class and the printers; the other files hold the forms by subject.
"""
