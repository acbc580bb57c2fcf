"""Builds chat data mixes: many sources in, Arrow shards of formatted conversations out."""
