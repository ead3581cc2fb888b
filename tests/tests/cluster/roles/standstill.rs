//! Roles that are stopped for a while, another configuration for those that start, and who
//! answers for the ingress meanwhile.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::time::timeout;

use super::{PATIENCE, ROLES, Roles};
use crate::process::ask_to_end;
use crate::servers::{Server, Servers};

impl Roles {
    /// The configuration file of all of them. What stands there counts for whoever starts next.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.join("grantline.toml")
    }

    /// Where the log of a process is, whichever process it was.
    pub(crate) fn log_of(&self, number: usize) -> PathBuf {
        let (name, _) = ROLES[number];
        self.log(name)
    }

    /// All processes of these roles are asked to end, at the same moment, and do so in order.
    pub(crate) async fn stop(&mut self, roles: &[&str]) {
        let numbers = (0..ROLES.len()).filter(|number| roles.contains(&ROLES[*number].1));
        let stopping: Vec<_> = numbers
            .filter_map(|number| Some((number, self.processes.remove(&number)?)))
            .collect();
        for (_, process) in &stopping {
            ask_to_end(process.id().unwrap());
        }
        for (number, mut process) in stopping {
            let (name, _) = ROLES[number];
            let ended = timeout(PATIENCE, process.wait()).await.map(Result::unwrap);
            if !ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
                let tail = self.tail(name);
                let fault =
                    format!("{name} was asked to end and did not in order: {ended:?}\n{tail}");
                self.faults.push(fault);
            }
        }
    }

    /// Whoever was stopped runs again, and is ready.
    pub(crate) async fn go_on(&mut self) {
        self.start_missing();
        for number in 0..ROLES.len() {
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
        let all = ROLES.iter().zip(&self.places);
        let copies = all.filter(|((_, of), _)| *of == role);
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
