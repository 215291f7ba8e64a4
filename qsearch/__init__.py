"""Quantization tables for JPEG images that neural networks read."""
