"""What several tests share: heads, the oracle, backends. Import it as `tests.support`."""
