"""The live application: sources of frames, sinks for them, and the loop between."""
