"""Training within a time budget: the plan, and what keeps to it."""
