"""The fixed test set, what answers it, and how it is scored. Nothing here may choose anything of a network."""
