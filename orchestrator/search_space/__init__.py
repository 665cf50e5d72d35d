"""From the YAML to the runs. Knows nothing of Redis, and loads no training stack.

yaml_source.py, document.py     bounded reading, and the place of everything in the file
grammar.py, axes.py, rules.py,  what may stand in a file
policy.py, sections.py
checks.py, mentions.py,         what is wrong with it, all at once
survey.py, contradictions.py
loading.py                      `load`: a file to a `SearchSpace`
grid.py, product.py             `expand`: a search space to its cells; pure
inputs.py                       movies and tables, checked by the science in a process of its own
sweep.py, slugs.py              `plan`: cells and seeds to runs, named by their content
"""
