"""What may vary: the search-space file, read and checked.

Here live the nouns of a search space (`model`), the metrics a study can aim at (`metrics`), the reader that turns a
file into them and reports everything wrong with file, line and a fix (`file`, on `document`), the rules' expression
language (`rules`), and the arithmetic of the space itself: domains, conditions, size, digest.

How a server is to be hit is read here too, but its nouns are those of `tuner.workload`. Nothing here looks into a
manifest, starts anything or knows how a space is searched.
"""
