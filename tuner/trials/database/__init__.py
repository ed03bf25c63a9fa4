"""Studies in PostgreSQL: their journals, their files, and the trials that workers elsewhere run.

The journal's lines are the truth, in the database as in a file: a line is there when whoever writes it goes on. A folder on
each machine that has to do with a study is but a copy, pulled when it is opened.
"""
