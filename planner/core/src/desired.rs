//! Desired state: checked, defaulted, references resolved.
