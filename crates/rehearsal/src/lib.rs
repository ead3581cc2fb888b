//! Stands in for Xsolla and for the players: sends signed notices to a running instance,
//! listens as a game client, asks as a game server, and judges what came.
//!
//! A [`Script`] is a list of steps, made of a [`Scenario`] or of somebody's own notices
//! without any I/O; [`play()`] does the steps against a [`Target`] and reports each as it
//! ends. What the target does not let us see (no client, no api) is not in the script.
//!
//! A whole sale is [`prepare`]d by a [`Plan`] and played; what happened stands in a
//! [`journal::Journal`]. [`findings::Findings`] are what the instance says in the end, and
//! [`verdict::Verdict`] whether that can have come of it; a [`report::Report`] tells people.
//!
//! Who has a play of their own in mind sends, asks and makes tokens with the parts of a
//! [`Target`], over an [`Http`].

mod game_client;
mod game_server;
mod http;
mod instance;
mod notices;
mod play;
mod purchase;
mod sale;
mod sender;
mod target;

pub use http::{Answer, Http, HttpError};
pub use instance::{Instance, InstanceError};
pub use play::{
    Mismatch, Override, OverrideError, Pace, Report, Scenario, Script, ScriptError, Verdict, Views,
    play,
};
pub use purchase::Purchase;
pub use sale::{
    Bounds, Chance, Lasting, Live, Looked, Moment, Plan, PlanError, Rate, Rehearsal,
    RehearsalError, Run, Setting, Share, ShareError, Shares, Spike, SpikeError, findings, journal,
    oracle, prepare, report, verdict,
};
pub use target::{GameClient, GameServer, Target, Webhook};
