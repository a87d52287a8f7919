"""The mean of V, for every query."""


def attend(q, k, v, size, seed):
    """See the package; `size` is not used."""
    return v.mean(0).expand(len(q), -1)
