"""Videos as data: checking, reading and caching their frames."""
