"""Low-rank kernels for exp(q.k/sigma): features, certificates, ranks from above and below."""
