//! Secrets from the configuration: a value or a file that is read again when it changes
