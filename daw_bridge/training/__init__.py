"""Training of networks of one's own: the only folder that imports torch (extra ``train``)."""
