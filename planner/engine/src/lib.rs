//! Observes and applies: the asynchronous shell around the core.
