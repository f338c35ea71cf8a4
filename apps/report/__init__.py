"""`visus report`: quality, errors, explanations, robustness and speed of a model, measured."""
