//! Topology, confirmed publishing, consuming, retry and parking
