"""VAR and the paper's continuous model, written once for NumPy, torch and ball arrays.

    from varnum.model.backend import Backend
    from varnum.model.config import preset
    from varnum.model.generate import Settings, generate
    from varnum.model.random_weights import random_model

    model = random_model(*preset("var-tiny"), seed=0).to(Backend("torch"))
    for scale in generate(model, [1, 2], Settings(cfg=Fraction(3, 2))):
        print(scale.tokens)

Read `transformer` for the network, `quantizer` for f_hat, `vqvae` for images, `attention` for the
slot that other kernels fill, `enclosure` for runs in balls, `paper` for the continuous model.
"""
