"""The network: encoders, fusion, MuMu, loss, checkpoints, and the preprocessing that belongs to them.

Importing this package, `taxonomy`, `config`, `preprocessing` or `checkpoint` does not import torch.
"""
