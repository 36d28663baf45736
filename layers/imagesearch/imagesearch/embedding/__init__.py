"""From files and words to vectors: decoding, preprocessing, tokenising and the ONNX sessions."""
