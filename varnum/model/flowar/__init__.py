"""FlowAR: an autoregressive transformer over scales with a flow net behind each scale.

    from varnum.model.backend import Backend
    from varnum.model.flowar.flow_config import flow_preset
    from varnum.model.flowar.random_flow_weights import random_flow_model
    from varnum.model.flowar.flow_sampling import FlowSettings, draw_noise, sample_maps

    where = Backend("numpy")
    model = random_flow_model(flow_preset("flowar-tiny"), seed=0).to(where)
    noise = [where.array(x) for x in draw_noise(model.config, batch=2, seed=0)]
    for scale in sample_maps(model, [3, 7], noise, FlowSettings(num_steps=6)):
        print(scale.map.shape)

Source: Ren et al., arXiv 2412.15205, and its released code. Read `flow_walk` for the steps of a
block, `numbers` for them on numbers, `network` for the two networks, `flow_sampling` for the
sampler, `forced` for the training forward, `tables` for what upstream keeps in float32.
"""
