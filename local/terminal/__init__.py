"""Output of the commands: streams, tables, images in the terminal, and completion.

May import what `local` may import.
"""
