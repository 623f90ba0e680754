"""Where jobs run that somebody else waits for: in worker processes that stay warm."""
