"""HTTP without anything of image search: base paths, entity tags, forms and the resolver.

May import the errors of the domain, and nothing else of this function.
"""
