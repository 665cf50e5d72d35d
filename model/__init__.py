"""The science: simulator, movies, targets, network, losses, schedules, metrics and prediction.

`model.config`, `model.footprint` and `model.units` are the porch: pydantic and arithmetic, safe to import anywhere.
Everything else may need NumPy or Keras and is imported by workers and by the `model` command only.
Arrays are (T, Y, X), tensors (B, T, Y, X, C); x = 0 is the left edge of pixel 0.
"""
