"""Tensors without host memory, as on a GPU: what would mix them with NumPy arrays raises here."""

from __future__ import annotations


class Host:
    """What `cpu()` gives: a tensor of which only NumPy's view is taken."""

    def __init__(self, tensor, numpy):
        self._tensor, self._numpy = tensor, numpy

    def numpy(self):
        return self._numpy(self._tensor)


def as_on_a_device(monkeypatch, torch):
    """From here on tensors say that they are on a GPU, and become NumPy arrays by `cpu()` alone."""
    plain = torch.Tensor.numpy

    def refused(self, *_, **__):
        raise TypeError("can't convert a tensor on a device to NumPy; use cpu() first")

    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda _: True))
    monkeypatch.setattr(torch.Tensor, "numpy", refused)
    monkeypatch.setattr(torch.Tensor, "__array__", refused)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: Host(self, plain))
