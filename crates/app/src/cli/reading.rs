//! Arguments of the commands that read. What they read is opened for that alone, beside a
//! running server or without one, and nothing in it or beside it changes.

use clap::Args;
use order::{OrderId, PlayerId, ProjectId, TransactionId};
use task::ParkedId;

use super::data_file::DataFile;

#[derive(Debug, Args)]
#[command(after_help = "Exits with 0, or with 1 if the order is not known.")]
pub(crate) struct Order {
    /// Xsolla's number of the order.
    #[arg(value_name = "ORDER")]
    pub(crate) id: OrderId,
    /// Its project; not needed where one is configured.
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<ProjectId>,
    /// Print the JSON that the api answers.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) data: DataFile,
}

#[derive(Debug, Args)]
pub(crate) struct Parked {
    /// Of this project only.
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<ProjectId>,
    /// About this order only.
    #[arg(long, value_name = "ORDER")]
    pub(crate) order: Option<OrderId>,
    /// About this transaction only.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) transaction: Option<TransactionId>,
    /// About this player only.
    #[arg(long, value_name = "PLAYER")]
    pub(crate) player: Option<PlayerId>,
    /// Also those that are settled.
    #[arg(long)]
    pub(crate) settled: bool,
    /// The most entries, from 1 to 200.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: u32,
    /// Only entries older than this one: the last of the list before.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) after: Option<ParkedId>,
    /// Print the JSON that the api answers, newest entries first.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) data: DataFile,
}
