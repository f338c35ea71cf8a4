"""Data sets in tar shards, which are read at random, from this machine or a remote store."""
