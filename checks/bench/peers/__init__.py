"""Published approximations of attention, written from their papers, one file each.

Each has `attend(q, k, v, size, seed)`: torch float32, q (n, d) with the factor 1/sigma in it,
k (L, d), v (L, d_v), every query sees every key; `size` features, landmarks or keys kept. None
states a bound for its input. `PEERS`: name -> (module, sizes worth trying).
"""

PEERS = {
    "mean of V": ("mean", (0,)),
    "degree 1, centred": ("taylor", (1,)),
    "Taylor 2, centred": ("taylor", (2,)),
    "Nystrom, uniform": ("nystrom", (32, 64, 128, 256, 512)),
    "WildCat": ("wildcat", (32, 64, 128, 256, 512)),
    "Nystromformer": ("nystromformer", (32, 64, 128, 256)),
    "FAVOR+": ("favor", (64, 256, 1024)),
    "Thinformer's idea": ("thinformer", (256, 1024)),
}
