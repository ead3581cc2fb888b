//! The `grant` section of a project.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What paid orders of a project grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether test purchases are granted like paid ones. Without it they are recorded and
    /// their status stops at paid. Never on where players can reach the sandbox: test cards
    /// are public, so everything would be free.
    pub grant_sandbox: bool,
    /// What of a bundle is granted: its contents, or the bundle itself for a game that
    /// unpacks bundles on its own.
    pub bundles: Bundles,
}

/// Which lines of an order with bundles are granted.
///
/// Xsolla lists a bundle and its contents side by side. Granting both would grant twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bundles {
    /// Bundle lines are headings; what they contain is granted. The same in both webhook
    /// versions.
    #[default]
    Contents,
    /// Bundle lines are granted; what they contain is not. Needs webhook version 2, which
    /// marks contents: an order with a bundle and unmarked lines beside it is parked,
    /// because those could be contents or bought separately.
    Heading,
}
