"""YAML as a text that people keep: nodes that know their place in it, and values changed where they stand.

Comments, order, quoting and indentation survive to the last byte. What is read as one thing by YAML 1.1 and as another
by 1.2 is known as such, and never written. No word of the domain: nothing here knows what the text describes.
"""
