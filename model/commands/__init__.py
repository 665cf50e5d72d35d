"""What the longer commands of `model` do; `model.cli` names them. Nothing heavy is imported before one is called."""
