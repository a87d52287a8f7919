"""Which attention `varnum.watch` sees: model x implementation pairs, each in three gradient modes.

python checks/coverage.py [--only WORD]; needs torch, and each package for its models: transformers,
timm, torchvision, diffusers (a pair whose package is missing is listed, and counts as bad).
Exit code 1 if a pair is not captured as it should be, or an output differs by one bit.

Small configurations with random weights: what is checked is that calls are seen, not what they say.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from varnum.integrations.capture import watch

MODES = {
    "no_grad": torch.no_grad,
    "grad": torch.enable_grad,
    "inference": torch.inference_mode,
}


@dataclass(frozen=True)
class Pair:
    """A model and an implementation of attention; `calls` that one forward makes.

    unexplained: the reason that is expected instead, "" for none.
    """

    name: str
    build: Callable[[], tuple[Any, Callable[[], Any]]]
    calls: int
    unexplained: str = ""


def ids(length: int = 12, batch: int = 2, most: int = 90) -> torch.Tensor:
    return torch.randint(1, most, (batch, length))


def image(size: int = 32, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, size, size)


# transformers: one function per family gives (model, keyword inputs)


def hf(family: str, implementation: str, inputs: Callable[[], dict[str, Any]], **sizes: Any) -> Any:
    def build() -> tuple[Any, Callable[[], Any]]:
        import transformers as t

        config = getattr(t, family.replace("Model", "Config"))(**sizes)
        config._attn_implementation = implementation
        model = getattr(t, family)(config).eval()
        given = inputs()
        return model, lambda: model(**given)

    return build


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
TEXT = SMALL | {"vocab_size": 99, "max_position_embeddings": 64}
GROUPED = TEXT | {"num_key_value_heads": 2, "head_dim": 8}


def tokens() -> dict[str, Any]:
    return {"input_ids": ids()}


def padded() -> dict[str, Any]:
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[1, 8:] = 0
    return {"input_ids": ids(), "attention_mask": mask}


def left_padded() -> dict[str, Any]:
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[1, :4] = 0
    return {"input_ids": ids(), "attention_mask": mask}


def pixels() -> dict[str, Any]:
    return {"pixel_values": image()}


def both_sides() -> dict[str, Any]:
    return {"input_ids": ids(), "decoder_input_ids": ids(7)}


def speech() -> dict[str, Any]:
    return {"input_features": torch.randn(2, 80, 24), "decoder_input_ids": ids(7)}


def text_and_image() -> dict[str, Any]:
    return {"input_ids": ids(), "pixel_values": image()}


T5 = {"vocab_size": 99, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
CLIP = {
    "text_config": TEXT | {"projection_dim": 16},
    "vision_config": SMALL | {"image_size": 32, "patch_size": 8},
    "projection_dim": 16,
}
WHISPER = {
    "vocab_size": 99, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
    "max_source_positions": 12,
    "max_target_positions": 24, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "decoder_start_token_id": 1,
}  # fmt: skip
GPT2 = {"vocab_size": 99, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}
SWIN = {"image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4],
            "window_size": 4}  # fmt: skip
ViT = SMALL | {"image_size": 32, "patch_size": 8}

BOTH = [  # (name, class, inputs, calls, sizes)
    ("ViT", "ViTModel", pixels, 2, ViT),
    ("DINOv2", "Dinov2Model", pixels, 2, ViT | {"mlp_ratio": 2}),
    ("BERT", "BertModel", tokens, 2, TEXT),
    ("BERT padded", "BertModel", padded, 2, TEXT),
    ("Llama GQA", "LlamaModel", tokens, 2, GROUPED),
    ("Llama GQA left-padded", "LlamaModel", left_padded, 2, GROUPED),
    ("Mistral window", "MistralModel", tokens, 2, GROUPED | {"sliding_window": 5}),
    ("Qwen3 qk-norm", "Qwen3Model", tokens, 2, GROUPED),
    ("GPT-2", "GPT2Model", tokens, 2, GPT2),
    ("T5", "T5Model", both_sides, 6, T5),
    ("Whisper", "WhisperModel", speech, 6, WHISPER),
    ("CLIP", "CLIPModel", text_and_image, 4, CLIP),
    ("Swin", "SwinModel", pixels, 4, SWIN),
]
EAGER = [
    ("BLOOM ALiBi", "BloomModel", tokens, 2,
     {"vocab_size": 99, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    ("Gemma2 softcap", "Gemma2Model", tokens, 2, GROUPED | {"sliding_window": 5}),
    ("GPT-OSS sinks", "GptOssModel", tokens, 2,
     GROUPED | {"num_local_experts": 2, "num_experts_per_tok": 1, "sliding_window": 5}),
    ("DeBERTa-v2", "DebertaV2Model", padded, 2,
     TEXT | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 0,
                 "position_biased_input": False}),
]  # fmt: skip


def of_transformers() -> Iterator[Pair]:
    for name, family, inputs, calls, sizes in BOTH:
        for how in ("sdpa", "eager"):
            yield Pair(f"transformers {name}, {how}", hf(family, how, inputs, **sizes), calls)
    for name, family, inputs, calls, sizes in EAGER:
        yield Pair(f"transformers {name}, eager", hf(family, "eager", inputs, **sizes), calls)


# timm, torchvision, diffusers


def timm_model(name: str, fused: bool, **sizes: Any) -> Any:
    def build() -> tuple[Any, Callable[[], Any]]:
        import timm

        model = timm.create_model(name, **sizes).eval()
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = fused
        x = image(sizes.get("img_size", 32))
        return model, lambda: model(x)

    return build


def of_timm() -> Iterator[Pair]:
    vit = {
        "img_size": 32,
        "patch_size": 8,
        "embed_dim": 32,
        "depth": 2,
        "num_heads": 4,
        "num_classes": 5,
    }
    eva = vit | {"patch_size": 8}
    swin = {"img_size": 64, "patch_size": 4, "embed_dim": 16, "depths": (2, 2), "num_heads": (2, 4),
                "window_size": 4, "num_classes": 5}  # fmt: skip
    for fused in (True, False):
        how = "fused" if fused else "unfused"
        yield Pair(f"timm ViT, {how}", timm_model("vit_tiny_patch16_224", fused, **vit), 2)
        yield Pair(f"timm EVA02 RoPE, {how}",
                   timm_model("eva02_tiny_patch14_224", fused, **eva), 2)  # fmt: skip
    yield Pair("timm Swin, fused", timm_model("swin_tiny_patch4_window7_224", True, **swin), 4)
    yield Pair("timm SwinV2, eager", timm_model("swinv2_tiny_window8_256", True, **swin), 4)


def import_torchvision() -> None:
    """Also one that was built for another torch: its models need none of its operators."""
    try:
        import torchvision
    except RuntimeError:
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name in ("nms", "qnms"):
            LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401
    except ImportError:
        pass


LIBRARY = torch.library.Library("torchvision", "FRAGMENT")


def of_torchvision() -> Iterator[Pair]:
    def vit() -> tuple[Any, Callable[[], Any]]:
        from torchvision.models import VisionTransformer

        model = VisionTransformer(32, 8, 3, 4, 32, 48, num_classes=5).eval()
        x = image()
        return model, lambda: model(x)

    def swin() -> tuple[Any, Callable[[], Any]]:
        from torchvision.models import SwinTransformer

        model = SwinTransformer([4, 4], 16, [2, 2], [2, 4], [4, 4], num_classes=5).eval()
        x = image(64)
        return model, lambda: model(x)

    yield Pair("torchvision ViT, nn.MHA", vit, 3)
    yield Pair("torchvision Swin, eager", swin, 4)


def of_diffusers() -> Iterator[Pair]:
    def dit() -> tuple[Any, Callable[[], Any]]:
        from diffusers import DiTTransformer2DModel

        model = DiTTransformer2DModel(
            num_attention_heads=4, attention_head_dim=8, in_channels=4, out_channels=8,
            num_layers=2, sample_size=8, patch_size=2, num_embeds_ada_norm=10,
        ).eval()  # fmt: skip
        x, t, label = torch.randn(2, 4, 8, 8), torch.tensor([3, 5]), torch.tensor([1, 2])
        return model, lambda: model(x, timestep=t, class_labels=label).sample

    def unet(how: str) -> Any:
        def build() -> tuple[Any, Callable[[], Any]]:
            from diffusers import UNet2DConditionModel
            from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

            model = UNet2DConditionModel(
                sample_size=8, in_channels=4, out_channels=4, layers_per_block=1,
                block_out_channels=(16, 32), norm_num_groups=4, cross_attention_dim=16,
                down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), attention_head_dim=4,
            ).eval()  # fmt: skip
            model.set_attn_processor(AttnProcessor2_0() if how == "sdpa" else AttnProcessor())
            if how == "sliced":
                model.set_attention_slice(4)
            x, text = torch.randn(2, 4, 8, 8), torch.randn(2, 6, 16)
            return model, lambda: model(x, 3, text).sample

        return build

    def flux() -> tuple[Any, Callable[[], Any]]:
        from diffusers import FluxTransformer2DModel

        model = FluxTransformer2DModel(
            patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=16, pooled_projection_dim=16,
            axes_dims_rope=(4, 4, 8),
        ).eval()  # fmt: skip
        given = {
            "hidden_states": torch.randn(1, 16, 4), "encoder_hidden_states": torch.randn(1, 6, 16),
            "pooled_projections": torch.randn(1, 16), "timestep": torch.tensor([0.5]),
            "img_ids": torch.randn(16, 3), "txt_ids": torch.zeros(6, 3),
        }  # fmt: skip
        return model, lambda: model(**given).sample

    yield Pair("diffusers DiT, sdpa", dit, 2)
    yield Pair("diffusers UNet, sdpa", unet("sdpa"), 8)
    yield Pair("diffusers UNet, eager", unet("eager"), 8)
    yield Pair("diffusers UNet, sliced", unet("sliced"), 16)
    yield Pair("diffusers Flux, sdpa", flux, 2)


# torch.nn and by hand


def encoder(**how: Any) -> Any:
    def build() -> tuple[Any, Callable[[], Any]]:
        layer = nn.TransformerEncoderLayer(32, 4, 48, batch_first=True, **how)
        nested = not how.get("norm_first", False)
        model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=nested).eval()
        x = torch.randn(2, 10, 32)
        return model, lambda: model(x)

    return build


def encoder_padded() -> tuple[Any, Callable[[], Any]]:
    model, _ = encoder()()
    x, pad = torch.randn(2, 10, 32), torch.zeros(2, 10, dtype=torch.bool)
    pad[1, 7:] = True
    return model, lambda: model(x, src_key_padding_mask=pad)


def encoder_causal() -> tuple[Any, Callable[[], Any]]:
    model, _ = encoder()()
    x, mask = torch.randn(2, 10, 32), nn.Transformer.generate_square_subsequent_mask(10)
    return model, lambda: model(x, mask=mask, is_causal=True)


def mha(cross: bool, weights: bool, mask: bool = False) -> Any:
    def build() -> tuple[Any, Callable[[], Any]]:
        model = nn.MultiheadAttention(32, 4, batch_first=True).eval()
        x = torch.randn(2, 10, 32)
        other = torch.randn(2, 7, 32) if cross else x
        given = torch.randn(10, 10) if mask else None
        return model, lambda: model(x, other, other, need_weights=weights, attn_mask=given)[0]

    return build


def decoder() -> tuple[Any, Callable[[], Any]]:
    layer = nn.TransformerDecoderLayer(32, 4, 48, batch_first=True)
    model = nn.TransformerDecoder(layer, 2).eval()
    x, y = torch.randn(2, 6, 32), torch.randn(2, 9, 32)
    return model, lambda: model(x, y)


class Hand(nn.Module):
    """Attention written out: `how` takes q, k, v (B, H, L, d)."""

    def __init__(self, how: Callable[..., Any]) -> None:
        super().__init__()
        self.qkv, self.out, self.how = nn.Linear(32, 96), nn.Linear(32, 32), how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).view(*x.shape[:2], 3, 4, 8).permute(2, 0, 3, 1, 4)
        return self.out(self.how(q, k, v).transpose(1, 2).reshape(*x.shape))


def by_hand(how: Callable[..., Any]) -> Any:
    def build() -> tuple[Any, Callable[[], Any]]:
        model, x = Hand(how).eval(), torch.randn(2, 128, 32)
        return model, lambda: model(x)

    return build


def einsum(q: Any, k: Any, v: Any) -> Any:
    weights = (torch.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5).softmax(-1)
    return torch.einsum("bhij,bhjd->bhid", weights, v)


def einsum_turned(q: Any, k: Any, v: Any) -> Any:
    scores = torch.einsum("bhjd,bhid->bijh", k, q) / 8**0.5
    return torch.einsum("bijh,bhjd->bhid", scores.softmax(2), v)


def in_place(q: Any, k: Any, v: Any) -> Any:
    scores = q @ k.mT
    scores *= 8**-0.5
    scores.masked_fill_(torch.ones(q.shape[-2], q.shape[-2]).triu(1).bool(), float("-inf"))
    scores -= scores.amax(-1, keepdim=True).detach()
    return scores.softmax(-1) @ v


def per_head(q: Any, k: Any, v: Any) -> Any:
    heads = [torch.softmax(q[0, h] @ k[0, h].t() / 8**0.5, -1) @ v[0, h] for h in range(q.shape[1])]
    return torch.stack(heads)[None].expand(q.shape[0], -1, -1, -1)


def cosine(q: Any, k: Any, v: Any) -> Any:
    scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT
    return (scores * torch.tensor([1.0, 2.0, 4.0, 8.0])[:, None, None]).softmax(-1) @ v


def clamped(q: Any, k: Any, v: Any) -> Any:
    return (q @ k.mT).clamp(-1, 1).softmax(-1) @ v


def added(q: Any, k: Any, v: Any) -> Any:
    bias = torch.linspace(-1, 1, q.shape[-2])[:, None] * torch.linspace(-2, 2, k.shape[-2])
    return torch.softmax(bias + q @ k.mT * 8**-0.5, -1) @ v


def where_masked(q: Any, k: Any, v: Any) -> Any:
    keep = torch.ones(q.shape[-2], k.shape[-2]).tril().bool()
    return torch.where(keep, q @ k.mT, torch.finfo(q.dtype).min).softmax(-1) @ v


def grouped(q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True)


def causal(q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def math_backend(q: Any, k: Any, v: Any) -> Any:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(q, k, v)


def flex(q: Any, k: Any, v: Any) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, 128, 128, device="cpu")
    with torch.compiler.set_stance("force_eager"):
        return flex_attention(q.detach(), k.detach(), v.detach(), block_mask=mask)


def exp_by_hand(q: Any, k: Any, v: Any) -> Any:
    weights = (q @ k.mT * 8**-0.5).exp()
    return (weights / weights.sum(-1, keepdim=True)) @ v


def over_rows(q: Any, k: Any, v: Any) -> Any:
    return (q @ k.mT * 8**-0.5).softmax(-2) @ v


class Scripted(nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return torch.softmax(torch.matmul(q, k.transpose(-1, -2)) * 0.35, -1).matmul(v)


def scripted() -> tuple[Any, Callable[[], Any]]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.jit.script(Scripted())
    q, k, v = torch.randn(3, 2, 4, 9, 8)
    return model, lambda: model(q, k, v)


def compiled() -> tuple[Any, Callable[[], Any]]:
    model, x = Hand(einsum).eval(), torch.randn(2, 20, 32)
    return model, lambda: torch.compile(model, backend="eager")(x)


def half() -> tuple[Any, Callable[[], Any]]:
    model, x = Hand(einsum).eval().to(torch.bfloat16), torch.randn(2, 20, 32).to(torch.bfloat16)
    return model, lambda: model(x)


def classifier() -> tuple[Any, Callable[[], Any]]:
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.ReLU(), nn.Linear(16, 4, bias=False))
    x = torch.randn(5, 8)
    return model, lambda: model(x).softmax(-1)


def of_torch() -> Iterator[Pair]:
    yield Pair("nn.TransformerEncoder, fast path", encoder(), 2)
    yield Pair(
        "nn.TransformerEncoder norm_first gelu", encoder(norm_first=True, activation="gelu"), 2
    )
    yield Pair("nn.TransformerEncoder, padded (nested)", encoder_padded, 2)
    yield Pair("nn.TransformerEncoder, causal", encoder_causal, 2)
    yield Pair("nn.MHA, fast path", mha(False, False), 1)
    yield Pair("nn.MHA, weights asked for", mha(False, True), 1)
    yield Pair("nn.MHA, float mask", mha(False, True, True), 1)
    yield Pair("nn.MHA, cross", mha(True, False), 1)
    yield Pair("nn.TransformerDecoder", decoder, 4)
    hands = (einsum, einsum_turned, in_place, cosine, clamped, added, where_masked, grouped, causal,
             math_backend, flex)  # fmt: skip
    for how in hands:
        yield Pair(f"by hand: {how.__name__.replace('_', ' ')}", by_hand(how), 1)
    yield Pair("by hand: per-head loop", by_hand(per_head), 4)
    yield Pair("by hand: jit.script", scripted, 1)
    yield Pair("by hand: compiled", compiled, 1)
    yield Pair("by hand: bfloat16", half, 1)
    yield Pair("no attention: a classifier's softmax", classifier, 0)
    yield Pair("by hand: exp and sum", by_hand(exp_by_hand), 0, "exp of a product")
    yield Pair("by hand: softmax over rows", by_hand(over_rows), 0, "over rows")


FAMILIES = {
    "torch": of_torch, "transformers": of_transformers, "timm": of_timm,
    "torchvision": of_torchvision, "diffusers": of_diffusers,
}  # fmt: skip


def flat(x: Any) -> list[torch.Tensor]:
    """All tensors of an output."""
    if isinstance(x, torch.Tensor):
        return [x]
    if isinstance(x, dict):
        x = x.values()
    if isinstance(x, list | tuple) or hasattr(x, "__iter__"):
        return [t for part in x for t in flat(part) if part is not None]
    return []


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


class Idle(TorchDispatchMode):  # type: ignore[misc]
    """A mode that does nothing: under inference_mode that alone can change the last bits."""

    supports_higher_order_operators = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def try_one(pair: Pair, mode: str) -> str:
    """ "" or what is wrong."""
    torch.manual_seed(0)
    model, run = pair.build()
    with MODES[mode]():
        plain = flat(run())
        with watch(model) as seen:
            watched = flat(run())
        with nullcontext() if equal(plain, watched) else Idle():
            idle = flat(run())
    reasons = "; ".join(u.what for u in seen.unexplained)
    problems = []
    if not equal(plain, watched) and not (mode == "inference" and equal(idle, watched)):
        problems.append("output differs")
    if seen.count != pair.calls:
        problems.append(f"{seen.count} calls of {pair.calls}")
    if not all(call.verified for call in seen.calls):
        problems.append("a call is not reproduced")
    if pair.unexplained not in reasons or (reasons and not pair.unexplained):
        problems.append(f"unexplained: {reasons or 'nothing'}")
    return ", ".join(problems)


def pairs(only: str = "") -> Iterator[tuple[str, Pair]]:
    for family, listed in FAMILIES.items():
        for pair in listed():
            if only in pair.name:
                yield family, pair


def main() -> int:
    parser = argparse.ArgumentParser(description="what watch() sees")
    parser.add_argument("--only", default="")
    only = parser.parse_args().only
    torch.set_num_threads(1)
    import_torchvision()
    bad = missing = total = 0
    for _, pair in pairs(only):
        total += 1
        said = []
        for mode in MODES:
            try:
                problem = try_one(pair, mode)
            except ImportError as error:
                said, missing = [f"missing: {error.name}"], missing + 1
                break
            except Exception as error:
                problem = f"raises {type(error).__name__}: {str(error)[:90]}"
            if problem:
                said.append(f"{mode}: {problem}")
        bad += bool(said)
        print(f"{pair.name:45} {'; '.join(said) or ('reported' if pair.unexplained else 'all')}")
    print(f"{total} pairs, {bad} not as they should be ({missing} of them missing)")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
