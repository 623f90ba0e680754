"""Files: audio in blocks, the tags that travel with it, tables, downloads; whole or not at all."""
