//! Whole-line tests live in `tests/`.
