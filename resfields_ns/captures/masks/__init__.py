"""Masks for captures: made by a segmenter, and mended over views."""
