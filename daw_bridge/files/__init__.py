"""Audio files: block readers, atomic writers, and the tags that travel from one to the other."""
