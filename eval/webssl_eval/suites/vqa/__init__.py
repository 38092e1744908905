"""Visual question answering: frozen encoder, MLP projector, frozen causal language model, greedy answers.

Source: the protocol of Cambrian-1 as the paper uses it, first stage only (projector alone).
"""
