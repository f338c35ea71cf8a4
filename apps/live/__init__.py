"""The live application: sources of frames, the loop, and sinks."""
