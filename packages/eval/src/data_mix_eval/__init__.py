"""Scores a chat model on public benchmarks."""
