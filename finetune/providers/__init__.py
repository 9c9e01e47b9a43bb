"""Who trains and serves: one file or folder each, behind the protocol in ``provider.py``."""
