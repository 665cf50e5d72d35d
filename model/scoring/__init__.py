"""How good localisations and count maps are, and what the same numbers would be by luck.

`matching` pairs truths with predictions, `verdicts` says what became of each, `scores` makes numbers of verdicts that
can be pooled and resampled, `controls` are the answers of luck, `maps` judges count maps, `challenge` follows the
SMLM Challenge 2016.
"""
