"""Worker processes that decode: the pool and the processes, their protocol, and the worker itself.

May import what `decoding` may import. `pool`, `process` and `protocol` import no decoder, because
the parent loads them.
"""
