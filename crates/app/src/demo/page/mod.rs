//! A page to buy things on, in a browser of this machine.
//!
//! Behind every click the page's server does what Xsolla, the game server and Xsolla Login
//! do for a real game: it signs notices and makes player tokens with the demo's own
//! secrets. So it listens on the loopback address alone, answers no other page of the same
//! browser, and is not there beside a real project.
//!
//! The script is `client.js`, the Centrifuge protocol with the official client's
//! interface, and `page.js`, which a test runs on the official client as well.

mod gate;
mod line;
mod refusal;
mod route;
mod service;
mod shop;

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicI64;

use anyhow::Context as _;
use httpd::{Limits, Listener};
use lifecycle::Lifecycle;

use super::{Demo, PLAYER, PROJECT};
use crate::configuration::Configuration;
use crate::roles::Running;
use gate::Gate;
use line::Behind;
use service::Page;

/// Taken if it is free.
const PORT: u16 = 8083;

const MAX_BODY_BYTES: usize = 1_024;
const MAX_CONNECTIONS: usize = 64;

impl Demo {
    /// Serves the page until `lifecycle` drains, and says where it is.
    pub(crate) fn open_page(
        &self,
        config: &Configuration,
        running: &Running,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<()> {
        let mut out = io::stdout();
        let is_real = |project: i64| project != PROJECT;
        if config.projects.keys().any(|key| is_real(key.0.get())) {
            writeln!(
                out,
                "No demo page: a project other than the demo's is configured."
            )?;
            return Ok(());
        }
        let listener = listen()?;
        let at = listener.local_addr();
        let mut line = self.line(running.addresses)?;
        if line.publisher.ip().is_unspecified() {
            line.publisher.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let limits = Limits {
            max_body_bytes: MAX_BODY_BYTES,
            max_connections: MAX_CONNECTIONS,
            ..Limits::default()
        };
        let page = Page {
            gate: Gate::new(at.port(), line.publisher)?,
            behind: Behind::new(line, PLAYER),
            limits: limits.clone(),
            // Behind the order that was played and the one that is told how to send.
            newest: AtomicI64::new(task::now().unix_timestamp() + 1),
        };
        let stop = lifecycle.clone();
        lifecycle.supervise("demo.page", async move {
            httpd::serve(listener, limits, page, &stop).await;
            anyhow::Ok(())
        });
        writeln!(out, "Buy something in a browser: http://{at}/demo\n")?;
        Ok(())
    }
}

/// The usual port, or a free one if another process has it.
fn listen() -> anyhow::Result<Listener> {
    let on = |port| Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    on(PORT)
        .or_else(|_| on(0))
        .context("the demo's page has no port")
}
