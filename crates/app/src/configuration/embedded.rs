//! The section `[embedded]`.

use std::path::PathBuf;

use broker::EmbeddedConfig;
use schemars::JsonSchema;
use serde::Deserialize;

/// One process and one file in place of servers: `grantline serve` runs every role on it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Embedded {
    /// The file that holds ledger and queues. Made where there is none; its folder must
    /// exist, on a disk of this machine.
    #[schemars(with = "String")]
    pub(crate) file: PathBuf,
    /// How many of a player's newest status rows can be read; older ones count as trimmed.
    #[serde(default = "Embedded::history_rows")]
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) history_rows: u32,
    /// How long the queues in the file may take, how much they may hold.
    #[serde(default)]
    pub(crate) queue: EmbeddedConfig,
}

impl Embedded {
    pub(crate) const fn history_rows() -> u32 {
        1_000
    }
}
