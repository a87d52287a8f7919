"""Nystromformer (Xiong et al. 2021, arXiv 2102.03902): means of segments as landmarks.

softmax(q k~') (softmax(q~ k~'))^+ softmax(q~ k') v; the inverse by six steps of the paper's
iteration.
"""

import torch


def attend(q, k, v, size, seed):
    """`size` segments of each side."""
    few_q, few_k = (
        torch.stack([part.mean(0) for part in torch.tensor_split(side, size)]) for side in (q, k)
    )
    middle = torch.softmax(few_q @ few_k.T, 1)
    right = torch.softmax(few_q @ k.T, 1) @ v
    return torch.softmax(q @ few_k.T, 1) @ (_inverse(middle) @ right)


def _inverse(a):
    z = a.T / (a.abs().sum(0).max() * a.abs().sum(1).max())
    eye = torch.eye(len(a))
    for _ in range(6):
        az = a @ z
        z = 0.25 * z @ (13 * eye - az @ (15 * eye - az @ (7 * eye - az)))
    return z
