"""The ledger of claims, SMT-LIB obligations, solvers, ball checks. z3 and cvc5 live here."""
