"""The torch ecosystem: guaranteed attention in the place of torch's own, Hugging Face adapters."""
