//! Handler: cancellations and refunds
