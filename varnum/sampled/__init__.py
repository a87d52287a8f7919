"""What a random sample of rows says about an attention output, whoever computed it."""
