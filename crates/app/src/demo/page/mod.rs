//! A page to buy things on, in a browser of this machine.
//!
//! Behind every click the page's server does what Xsolla, the game server and Xsolla Login
//! do for a real game: it signs notices and makes player tokens with the demo's own
//! secrets. So it listens on the loopback address alone, answers no other page of the same
//! browser, and is not there with a project of somebody's own.
//!
//! The script is `client.js`, the Centrifuge protocol with the official client's
//! interface, and `page.js`, which a test runs on the official client as well.

mod gate;
mod line;
mod refusal;
mod route;
mod service;
mod shop;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use httpd::{Limits, Listener};
use lifecycle::Lifecycle;

use super::{Demo, INSTANCE};
use crate::roles::Addresses;
use gate::Gate;
use line::Behind;
use service::Page;

/// Taken if it is free.
const PORT: u16 = 8083;

const MAX_BODY_BYTES: usize = 1_024;
const MAX_CONNECTIONS: usize = 64;

impl Demo {
    /// Serves the page until `lifecycle` drains. Returns where it is.
    pub(crate) fn open_page(
        &self,
        at: Addresses,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<SocketAddr> {
        let listener = listen()?;
        let page_at = listener.local_addr();
        let mut publisher = at.publisher.context("the demo needs the publisher")?;
        if publisher.ip().is_unspecified() {
            publisher.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let instance = self.instance(at)?;
        let target = instance.target(&self.folder.join(INSTANCE))?;
        let limits = Limits {
            max_body_bytes: MAX_BODY_BYTES,
            max_connections: MAX_CONNECTIONS,
            ..Limits::default()
        };
        let page = Page {
            gate: Gate::new(page_at.port(), publisher),
            behind: Behind::new(target)?,
            publisher,
            limits: limits.clone(),
        };
        let stop = lifecycle.clone();
        lifecycle.supervise("demo.page", async move {
            httpd::serve(listener, limits, page, &stop).await;
            anyhow::Ok(())
        });
        Ok(page_at)
    }
}

/// The usual port, or a free one if another process has it.
fn listen() -> anyhow::Result<Listener> {
    let on = |port| Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    on(PORT)
        .or_else(|_| on(0))
        .context("the demo's page has no port")
}
