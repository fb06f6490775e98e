"""Updates: a newer course comes into a workspace, and what its learner wrote stays.

`cells` finds the cells of one lesson in another, `lessons` merges a lesson, `plan` decides what happens to each file,
and `work` does it. What was handed out is read from the tool's wheel in `.tito/`.
"""
