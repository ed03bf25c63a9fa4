"""What is deployed: the user's manifest, where each knob lives in it, and one configuration written into it.

The text is the truth. A knob is set on plain dicts and lists (`knobs`, by way of `kinds`), and `tuner.yaml` changes
just those characters that make the text read as the new values. So comments, order, quoting and indentation of the
base survive to the last byte, what was deployed is what is exported, and a render costs no parse.

`kinds` holds the kinds of workload, `servers` what is known of model servers, `check` all that finds mistakes. Nothing
here starts anything, measures anything or prints.
"""
