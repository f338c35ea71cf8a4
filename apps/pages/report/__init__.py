"""The page of `visus report`."""
