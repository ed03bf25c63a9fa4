"""The load engine: who sends which request when, and the clock and the CPUs it does so by."""
