//! Throw-away servers' corners, signer and clients for the tests
