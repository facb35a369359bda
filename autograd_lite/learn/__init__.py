"""The exercise track: learn backpropagation by writing it, with a checker that names the mistake.

``python -m autograd_lite learn`` starts it. An exercise is one Markdown file (`exercise`), a learner's code runs in a
process of its own (`sandbox`, `child`), its numbers are compared with the truth and with known wrong answers (`judge`).
"""
