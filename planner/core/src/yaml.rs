//! YAML as a spanned tree; the only module that knows the YAML library.
