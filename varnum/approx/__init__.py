"""exp by a polynomial: best approximation, certified sup norms, least degrees from both sides."""
