"""The network that estimates the coefficients of a face model, and its losses."""
