"""Drawing primitives: text, panels, boxes, masks, grids and plots."""
