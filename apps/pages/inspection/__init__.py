"""The page of `visus inspect --output`: what a network computes on one image, step by step."""
