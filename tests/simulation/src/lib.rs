//! Worker and publisher under faults that no server can be asked for.
