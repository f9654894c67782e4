"""Protocols: named, versioned bundles of attacks, budgets, samples, seeds and source, each a TOML file."""

from bench.protocols.protocol import Protocol, ProtocolAttack, budget, covers
from bench.protocols.reader import builtin_protocols, find_protocol, known_with, read

__all__ = ["Protocol", "ProtocolAttack", "budget", "builtin_protocols", "covers", "find_protocol", "known_with", "read"]
