"""Movies through a trained network: `windows` for movies in memory, `streaming` for files of any size."""
