"""Drawing primitives: text, boxes, panels, plots.."""
