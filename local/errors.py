"""What the command line refuses, said in one sentence."""


class UsageError(Exception):
    """The user must type something else: the command ends with exit status 2."""
