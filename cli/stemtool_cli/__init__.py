"""``stemtool``: daw-bridge from a shell, one file a command."""
