//! privlink's client of Azure Resource Manager.
