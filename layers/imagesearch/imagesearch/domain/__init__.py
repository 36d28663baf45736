"""Domain: images, searches, filters, errors and the ports; shared by all other packages.

May import the standard library and numpy only.
"""
