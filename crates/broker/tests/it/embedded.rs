//! What only the file can do to us.
