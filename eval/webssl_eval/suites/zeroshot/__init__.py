"""Zero-shot classification and retrieval: a small text tower learns to read a frozen encoder (LiT, Zhai et al., 2022)."""
