"""diffusers looks attention up by its own closed list; vn.use serves it all the same."""

import pytest

torch = pytest.importorskip("torch", reason="the drop-in is for torch")
diffusers = pytest.importorskip("diffusers", reason="diffusers is optional")

import varnum as vn  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of other packages


def test_a_unet_runs_guaranteed_and_its_written_out_attention_is_missed():
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8, 8), norm_num_groups=2,
        layers_per_block=1, attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ).eval()  # fmt: skip
    x = torch.randn(1, 1, 8, 8)
    calls = 1 + 1 + 2  # down, middle, up
    with torch.no_grad():
        expected = unet(x, 3).sample
        with vn.use() as log:
            found = unet(x, 3).sample
        assert torch.allclose(found, expected, atol=1e-5)
        assert (len(log), log.missed) == (calls, 0)
        assert all(one.reached for one in log)
        for module in unet.modules():
            if hasattr(module, "set_processor"):
                module.set_processor(AttnProcessor())
        with vn.use() as log:
            unet(x, 3)
        assert (len(log), log.missed) == (0, calls)
        for module in unet.modules():
            if hasattr(module, "set_processor"):
                module.set_processor(AttnProcessor2_0())


def test_flux_runs_guaranteed():
    torch.manual_seed(0)
    model = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=8, pooled_projection_dim=8,
        axes_dims_rope=(4, 4, 8),
    ).eval()  # fmt: skip
    given = {
        "hidden_states": torch.randn(1, 6, 4), "encoder_hidden_states": torch.randn(1, 3, 8),
        "pooled_projections": torch.randn(1, 8), "timestep": torch.tensor([0.5]),
        "img_ids": torch.zeros(6, 3), "txt_ids": torch.zeros(3, 3), "return_dict": False,
    }  # fmt: skip
    with torch.no_grad():
        expected = model(**given)[0]
        with vn.use() as log:
            found = model(**given)[0]
    assert torch.allclose(found, expected, atol=1e-4)
    assert (len(log), log.missed) == (2, 0)
