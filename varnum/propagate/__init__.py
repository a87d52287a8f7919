"""Range and error transfer per layer, composition, budget backwards, affine forms."""
