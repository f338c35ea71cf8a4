"""Events: conditions on predictions, clips as evidence, and webhooks."""
