//! Xsolla's notices, their signature and the answers they expect
