//! Status pushes, history and the order-status endpoint
