"""What is known of model servers: their knobs (`known`), and the ports they serve and tell their metrics on."""
