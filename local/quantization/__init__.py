"""Quantization of float32 models on the machine that pulls them.

May import what `local` may import, and onnx, which only the extra `quantize` installs: `rows` and
`model_files` are imported after `requirement.require_onnx`.
"""
