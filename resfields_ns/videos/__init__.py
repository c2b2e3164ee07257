"""Synchronised videos of calibrated cameras, made into captures."""
