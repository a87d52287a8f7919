"""Operation and memory counts, exponents, crossover."""
