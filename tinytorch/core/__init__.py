"""The framework itself, exported from the lessons in `modules/` by `tito export`."""
