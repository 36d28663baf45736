"""How a model is made: build, quantise, check parity, pin. Tools; nothing here is shipped."""
