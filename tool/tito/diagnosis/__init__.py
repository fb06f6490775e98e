"""Names the mistake behind a failing test.

By behaviour (`tito.diagnosis.behaviour`): each wrong answer that is listed beside a lesson is put in the place of the
learner's answer, and the one after which the tests fail in the same way is the mistake. By values
(`tito.diagnosis.values`): where none is, what came is compared with what was expected.
"""
