//! Redis marks that spare the ledger the common duplicate
