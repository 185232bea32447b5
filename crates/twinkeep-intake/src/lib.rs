//! Sources to events: readers, screening, quarantine, the synthesiser.
