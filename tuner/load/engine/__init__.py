"""The load engine: who sends when (`senders`), what is recorded of it (`columns`), and whether answers are right (`checks`)."""
