"""Make a trained model smaller: channels are pruned, the rest learns from the unpruned model."""
