//! The webhook role: verify, answer questions, enqueue
