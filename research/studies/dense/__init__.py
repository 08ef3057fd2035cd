"""Dense perception from imbalanced labels: what is where, and how far away it is, from one colour picture.

Repeats the main experiment of Erkent, *Multi-Task Learning for Robot Perception with Imbalanced Data* (section 4,
tables 3 and 4): a teacher sees the plentiful label as an additional input, predicts the missing one, and a student,
which sees colour only, learns from both.
"""

from studies.dense.study import section

__all__ = ["section"]
