"""Hugging Face models, tiny and random: what sdpa gives, and what would go wrong silently."""

import pytest

torch = pytest.importorskip("torch", reason="the drop-in is for torch")
hf = pytest.importorskip("transformers", reason="the extra transformers is optional")

import varnum as vn  # noqa: E402
from varnum.errors import InputError  # noqa: E402
from varnum.integrations import transformers as ours  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of other packages

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
         "num_attention_heads": 4, "vocab_size": 40, "max_position_embeddings": 64}  # fmt: skip


def made(config, kind=None):
    torch.manual_seed(0)
    model = (kind or hf.AutoModelForCausalLM.from_config)(config)
    return model.eval()


def llama():
    return made(hf.LlamaConfig(**SIZES, num_key_value_heads=2, initializer_range=0.4))


def mistral():
    return made(
        hf.MistralConfig(
            **SIZES, num_key_value_heads=2, sliding_window=4, head_dim=8, initializer_range=0.4
        )
    )


def batch():
    ids = torch.randint(1, 40, (2, 11), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(2, 11, dtype=torch.long)
    mask[0, :4] = 0  # padded on the left
    return {"input_ids": ids, "attention_mask": mask}


def logits(model, **given):
    with torch.no_grad():
        found = model(**given).logits
    mask = given.get("attention_mask")
    return found if mask is None else found[mask.bool()]


@pytest.mark.parametrize("family", [llama, mistral])
@pytest.mark.parametrize("padded", [False, True])
def test_causal_models_give_what_sdpa_gives(family, padded):
    given = batch() if padded else {"input_ids": batch()["input_ids"]}
    model = family()
    model.set_attn_implementation("sdpa")
    expected = logits(model, **given)
    assert ours.use(model) is model
    with vn.certificates() as made:
        found = logits(model, **given)
    assert torch.allclose(found, expected, atol=2e-4)
    assert torch.equal(found.argmax(-1), expected.argmax(-1))
    assert len(made) == 2
    assert all(one.reached for one in made)


@pytest.mark.parametrize("family", [llama, mistral])
def test_cached_generation_gives_the_same_tokens(family):
    model, given = family(), batch()
    rest = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    model.set_attn_implementation("sdpa")
    expected = model.generate(**given, **rest)
    ours.use(model, output_error="1e-3")
    with vn.certificates() as made:
        assert torch.equal(model.generate(**given, **rest), expected)
    assert len(made) == 2 * 6
    assert all(one.asked == "0.001" and one.reached for one in made)


@pytest.mark.parametrize("family", [llama, mistral])
def test_without_the_mask_function_the_padding_and_the_window_are_lost(family):
    """Nothing warns: this is why both are registered together."""
    model, given = family(), batch()
    model.set_attn_implementation("sdpa")
    expected = logits(model, **given)
    name = f"alone-{family.__name__}"
    hf.AttentionInterface.register(name, hf.AttentionInterface()[ours.register()])
    model.set_attn_implementation(name)
    assert float((logits(model, **given) - expected).abs().max()) > 1
    ours.use(model)
    assert float((logits(model, **given) - expected).abs().max()) < 2e-4


def test_bert_with_padding():
    model = made(hf.BertConfig(**SIZES, initializer_range=0.4), hf.BertModel)
    given = batch()
    given["attention_mask"] = given["attention_mask"].flip(1)
    keep = given["attention_mask"].bool()
    with torch.no_grad():
        model.set_attn_implementation("sdpa")
        expected = model(**given).last_hidden_state[keep]
        with vn.certificates() as made_here:
            found = ours.use(model)(**given).last_hidden_state[keep]
    assert torch.allclose(found, expected, atol=1e-4)
    assert len(made_here) == 2


def test_sinks_are_honoured():
    config = hf.GptOssConfig(
        **SIZES, num_key_value_heads=2, head_dim=8, num_local_experts=2, num_experts_per_tok=1,
        sliding_window=4, initializer_range=0.4, layer_types=["sliding_attention", "full_attention"]
    )  # fmt: skip
    model, given = made(config), batch()
    for layer in model.model.layers:
        torch.nn.init.normal_(layer.self_attn.sinks)
    model.set_attn_implementation("eager")
    expected = logits(model, **given)
    ours.use(model)
    with vn.certificates() as certificates:
        assert torch.allclose(logits(model, **given), expected, atol=2e-3)
    assert all(one.reached for one in certificates)


def test_position_bias_is_added():
    config = hf.T5Config(d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4, vocab_size=40)
    model = made(config, hf.T5EncoderModel)
    with torch.no_grad():
        model.set_attn_implementation("eager")
        expected = model(**batch()).last_hidden_state
        assert torch.allclose(ours.use(model)(**batch()).last_hidden_state, expected, atol=1e-3)


def test_what_cannot_be_honoured_is_refused():
    config = hf.Gemma2Config(**SIZES, num_key_value_heads=2, head_dim=8)
    model = ours.use(made(config))
    with pytest.raises(InputError, match="softcap"):
        logits(model, input_ids=batch()["input_ids"])
    model = made(hf.BloomConfig(hidden_size=32, n_layer=1, n_head=4, vocab_size=40))
    with pytest.raises(InputError, match="Bloom"):
        ours.use(model)
    with pytest.raises(InputError, match="PreTrainedModel"):
        ours.use(torch.nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"name: .*sdpa"):
        ours.register("sdpa")
    with pytest.raises(InputError, match="is not allowed"):
        ours.use(llama(), output_error="1")
    model = ours.use(llama())
    with pytest.raises(InputError, match="output_attentions"):
        model(**batch(), output_attentions=True)
    model.train()
    model.config.attention_dropout = 0.5
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    with pytest.raises(InputError, match="dropout"):
        model(**batch())


def test_a_smooth_head_of_4096_tokens_runs_low_rank_through_a_vit():
    config = hf.ViTConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        image_size=128, patch_size=2, initializer_range=0.1,
    )  # fmt: skip
    model = made(config, hf.ViTModel)
    pixels = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        model.set_attn_implementation("sdpa")
        expected = model(pixels).last_hidden_state
        ours.use(model, output_error="1e-1")
        with vn.certificates() as made_here:
            found = model(pixels).last_hidden_state
    assert made_here[0].rows == 2 * 4097
    assert made_here[0].rows_exact < 200
    assert made_here[0].reached
    assert torch.allclose(found, expected, atol=0.1)


def test_vn_use_serves_sdpa_models_too():
    model, given = llama(), batch()
    model.set_attn_implementation("sdpa")
    expected = logits(model, **given)
    with vn.use() as log:
        assert torch.allclose(logits(model, **given), expected, atol=2e-4)
    assert (len(log), log.missed) == (2, 0)
    model.set_attn_implementation("eager")
    with vn.use() as log:
        logits(model, **given)
    assert (len(log), log.missed) == (0, 2)
