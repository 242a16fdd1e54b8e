//! The decision tables.
