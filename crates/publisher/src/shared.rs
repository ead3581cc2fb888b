//! What all clients of the process share.

use std::sync::Arc;
use std::time::Duration;

use centrifuge::Settings;
use tokio_util::sync::CancellationToken;

use crate::credentials::Verifiers;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::reader::Reader;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) verifiers: Verifiers,
    pub(crate) hub: Arc<Hub>,
    pub(crate) reader: Reader,
    pub(crate) metrics: Metrics,
    pub(crate) write_timeout: Duration,
    pub(crate) drain_spread: Duration,
    pub(crate) drain: CancellationToken,
    pub(crate) abort: CancellationToken,
}
