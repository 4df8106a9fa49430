from fl.ledger.memory.federation import MemoryFederation, MemoryLedger

__all__ = ["MemoryFederation", "MemoryLedger"]
