//! Whatever comes from outside, read twice and held against promises.
//!
//! Each target is a function of bytes that panics where a promise is broken: mostly a
//! second, plain reading must agree with the one the roles use. The same functions are run
//! by `tests/short.rs` in every test run and, guided by coverage, by libFuzzer in
//! `make fuzz`. Inputs to begin with, and those that once found a fault, stand in `seeds`.

pub mod address;
pub mod configuration;
pub mod frames;
pub mod notice;
pub mod signature;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of its module, of libFuzzer's binary, and of its folder in `seeds`.
    pub name: &'static str,
    /// Panics where a promise is broken.
    pub check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target {
        name: "address",
        check: address::check,
    },
    Target {
        name: "configuration",
        check: configuration::check,
    },
    Target {
        name: "frames",
        check: frames::check,
    },
    Target {
        name: "notice",
        check: notice::check,
    },
    Target {
        name: "signature",
        check: signature::check,
    },
];

/// The text before the first `separator`, and what follows it.
fn parts<'a>(input: &'a [u8], separator: &[u8]) -> (&'a [u8], &'a [u8]) {
    let at = input
        .windows(separator.len())
        .position(|window| window == separator);
    at.map_or((input, &[]), |at| {
        (&input[..at], &input[at + separator.len()..])
    })
}
