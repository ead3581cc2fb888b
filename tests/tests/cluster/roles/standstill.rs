//! Roles that are stopped for a while, another configuration for those that start, and who
//! answers for the ingress meanwhile.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Roles;
use crate::process::ask_to_end;
use crate::servers::{Server, Servers};

impl Roles {
    /// The configuration file of all of them. What stands there counts for whoever starts next.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.join("grantline.toml")
    }

    /// Where the log of a process is, whichever process it was.
    pub(crate) fn log_of(&self, number: usize) -> PathBuf {
        self.log(&self.cast[number].name)
    }

    /// All processes of these roles are asked to end, at the same moment, and do so in order.
    pub(crate) async fn stop(&mut self, roles: &[&str]) {
        let numbers = (0..self.cast.len()).filter(|it| roles.contains(&self.cast[*it].role));
        let numbers: Vec<_> = numbers.collect();
        let stopping = numbers
            .into_iter()
            .filter_map(|number| Some((number, self.processes.remove(&number)?)));
        let stopping: Vec<_> = stopping.collect();
        for (_, process) in &stopping {
            ask_to_end(process.id().unwrap());
        }
        for (number, process) in stopping {
            self.leaves(number, process).await;
        }
    }

    /// Whoever was stopped runs again, and is ready.
    pub(crate) async fn go_on(&mut self) {
        self.start_missing();
        for number in 0..self.cast.len() {
            self.is_ready(number).await;
        }
    }

    /// New connections to the ingress reach this instead.
    pub(crate) fn shut_door(&self, instead: SocketAddr) {
        self.ingress.add(instead);
        for copy in self.copies("ingress") {
            self.ingress.remove(copy);
        }
    }

    /// They reach the ingress again.
    pub(crate) fn open_door(&self, instead: SocketAddr) {
        for copy in self.copies("ingress") {
            self.ingress.add(copy);
        }
        self.ingress.remove(instead);
    }

    /// Where the first copy of a role serves, past its balancer.
    pub(crate) fn serving(&self, role: &str) -> SocketAddr {
        self.copies(role)[0]
    }

    fn copies(&self, role: &str) -> Vec<SocketAddr> {
        let all = self.cast.iter().zip(&self.places);
        let copies = all.filter(|(member, _)| member.role == role);
        copies.map(|(_, place)| place.serves).collect()
    }

    /// Whoever starts next uses the servers `to` in place of `from`, without proxies.
    pub(crate) fn move_to(&self, from: &Servers, to: &Servers) {
        let mut text = fs::read_to_string(self.configuration()).unwrap();
        for server in Server::ALL {
            let name = server.urls()[0];
            let ours = self.proxies[&server].url(from.url(name));
            assert!(text.contains(&ours), "{name} is not in the configuration");
            text = text.replace(&ours, to.url(name));
        }
        let management = "RABBITMQ_API_URL";
        text = text.replace(from.url(management), to.url(management));
        fs::write(self.configuration(), text).unwrap();
    }
}
