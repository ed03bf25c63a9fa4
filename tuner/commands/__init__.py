"""WHAT EACH COMMAND DOES, found under its name: settings become objects, objects become a result. Wiring only.

`run` is also what `tune resume`, `show`, `export` and `sync` need of a study. The arithmetic is in `measure`, load is
sent by `trials.load_windows`, servers are brought up by `trials.serving`. Commands know nothing of each other, and
nothing here parses options, prints or exits: that is `cli`.
"""
