"""What is wrong, in a sentence for a person."""


class WishError(Exception):
    """What was wished for cannot be done; the text says why, and what to do."""
