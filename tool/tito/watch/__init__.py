"""The loop: the learner saves, and sees within a second what that did.

`loop` holds what happens in which order, and the other files one part each: where the learner is (`place`), what a
save changed (`changes`), the files (`files`), a run of the suite (`attempt`) in a warm process (`worker`, `warm`,
`order`), keys and other events (`inbox`), and what is seen (`picture`, `faces`, `terminal`).
"""
