//! Documents: our kinds and Services, decoded from YAML with every value's place.
