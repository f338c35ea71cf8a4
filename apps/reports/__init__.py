"""What a measurement tells and draws beside its figures, a module a task."""
