//! The JSON encoding: not canonical proto3 JSON. Names are the protocol's snake
//! case, data is embedded as it is, 64-bit integers are plain numbers, zero
//! values are left out.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(crate) use decode::commands;
pub(crate) use encode::encode;
