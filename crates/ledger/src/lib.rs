//! The truth: notices, orders, bookings, balances and the status stream
