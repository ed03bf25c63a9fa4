"""What is deployed: the user's manifest, where each knob lives in it, and one configuration written into it.

The text is the truth. A manifest is parsed into nodes that know their place in the text (`tree`), a knob is set on
plain dicts and lists (`knobs`, by way of `kinds`), and `splice` changes just those characters that make the text read
as the new values. So comments, order, quoting and indentation of the base survive to the last byte, what was deployed
is what is exported, and a render costs no parse.

Nothing here starts anything, measures anything or prints. The kubernetes client is imported by `validate` alone, and
only when a manifest is validated: its models take half a second to build.
"""
