//! What the roles work on: the servers of the cluster stack, or the embedded stack's file.

use anyhow::Context as _;
use broker::Broker;
use ledger::Ledger;
use telemetry::Meter;

use crate::configuration::{Configuration, Stack};

/// The ledger and the broker of a process.
pub(crate) struct Opened {
    pub(crate) ledger: Ledger,
    pub(crate) broker: Broker,
    file: Option<sqlite::File>,
}

impl Opened {
    /// Opens what the configuration names. Servers may be away; a file is made where there is
    /// none. `role` names the process to the servers.
    ///
    /// # Errors
    /// When a URL is none, or the file cannot be served.
    pub(crate) async fn new(
        config: &Configuration,
        role: &str,
        meter: &Meter,
    ) -> anyhow::Result<Self> {
        match config.stack() {
            Stack::Cluster { ledger, broker } => Ok(Self {
                ledger: Ledger::open(ledger)?,
                broker: Broker::connect(broker.clone(), role, meter),
                file: None,
            }),
            Stack::Embedded(embedded) => {
                let file = sqlite::File::open(&embedded.file)
                    .context("`embedded.file` cannot be served")?;
                let broker = Broker::embedded(file.clone(), embedded.queue.clone(), meter)
                    .await
                    .context("`embedded.file` cannot be written")?;
                Ok(Self {
                    ledger: Ledger::embedded(file.clone(), embedded.history_rows),
                    broker,
                    file: Some(file),
                })
            }
        }
    }

    /// Lets go of everything. To be called when every role has stopped.
    pub(crate) async fn close(self) {
        self.broker.close().await;
        self.ledger.close().await;
        if let Some(file) = self.file {
            file.close().await;
        }
    }
}
